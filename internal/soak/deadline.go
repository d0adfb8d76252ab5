package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// deadline is a context for a call that records when it is done.
type deadline struct {
	ctx    context.Context
	cancel context.CancelFunc
	began  time.Time
	done   moment // when it was or will be done, if ever
}

// deadline returns a random context for a call that sends.
func (e *ours) deadline(rnd *rand.Rand) *deadline {
	if !e.p.hasty || rnd.IntN(3) == 0 {
		return e.r.patient()
	}
	return e.r.hasty(rnd, 20*time.Millisecond)
}

// receiveDeadline returns a random context for a call that receives.
func (e *ours) receiveDeadline(rnd *rand.Rand) *deadline {
	if e.p.receives == polls || e.p.receives == pollBatches || e.p.hasty && rnd.IntN(3) > 0 {
		return e.r.hasty(rnd, 5*time.Millisecond)
	}
	return e.r.patient()
}

// hasty returns a context that is done within some time, or from the beginning.
func (r *round) hasty(rnd *rand.Rand, within time.Duration) *deadline {
	d := &deadline{began: time.Now()}
	after := time.Duration(rnd.Int64N(int64(within)))
	if rnd.IntN(20) == 0 {
		after = 0
	}
	if rnd.IntN(2) == 0 {
		end := d.began.Add(after)
		d.done.set(end)
		d.ctx, d.cancel = context.WithDeadline(r.ctx, end)
		return d
	}
	ctx, cancel := context.WithCancel(r.ctx)
	timer := time.AfterFunc(after, func() {
		d.done.set(time.Now())
		cancel()
	})
	d.ctx, d.cancel = ctx, func() { timer.Stop(); cancel() }
	return d
}

// patient returns a context that is done only at the end of the round.
func (r *round) patient() *deadline {
	return &deadline{ctx: r.ctx, cancel: func() {}, began: time.Now()}
}

// returned measures how long after the end of its context a call returned.
func (r *round) returned(e *ours, call string, d *deadline) {
	due := d.done.time()
	if due.IsZero() || d.ctx.Err() == nil {
		return
	}
	now := time.Now()
	if due.Before(d.began) {
		due = d.began
	}
	over := now.Sub(due)
	r.tally.overrun(over)
	if late := r.soak.control.late(due); over > r.soak.promptly+slack*late {
		r.fault(overran, "%s: %s returned %v after its context; this machine was late by %v", e.name, call, over.Round(time.Millisecond), late.Round(time.Millisecond))
	}
}
