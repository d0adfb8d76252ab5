package main

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/zmtp"
)

// filling is how long the buffers between two ends may still accept small amounts of data
// after the reader has stopped.
const filling = time.Second

// noticeTime is how long an end may take to notice, and the least time that it must
// wait before it gives up.
func (r *round) noticeTime(end int) (most, least time.Duration, notices bool) {
	own, ttl := r.party(end), r.ttl(end)
	switch {
	case r.s.fate == reset:
		return 0, 0, true
	case r.s.fate == stops:
		// The peer's PINGs may continue, and the buffers on the way may accept more data.
		// Our own system does so once or twice when it interrupts a blocked write.
		return own.interval + 3*own.timeout + filling, own.timeout, own.timeout > 0
	case own.timeout > 0 && ttl > 0:
		return own.interval + 2*own.timeout, min(own.timeout, ttl), true
	case own.timeout > 0:
		return own.interval + 2*own.timeout, own.timeout, true
	}
	if own.sends != "" {
		// After an interrupted write, part of which the peer has accepted, the check
		// starts again, up to a quarter of the timeout late.
		return ttl * 9 / 4, ttl, ttl > 0
	}
	return ttl, ttl, ttl > 0
}

// ttl is how long the peer's PINGs allow an end to wait, or zero if there are none or the
// end does not receive.
func (r *round) ttl(end int) time.Duration {
	if r.party(end).receives == never {
		return 0
	}
	peer := r.party(1 - end)
	return (peer.interval + peer.timeout).Truncate(100 * time.Millisecond) // as sent on the wire
}

// waitForPING waits until an end whose timeout comes from its peer's PINGs has received
// one. Nothing else is sent to such an end.
func (r *round) waitForPING(end int) {
	if r.s.fate != cut || r.party(end).timeout > 0 || r.ttl(end) == 0 {
		return
	}
	r.wait(endNames[end]+": a PING", after(func() {
		for !r.network.lastTo(end).After(r.connected) && r.ctx.Err() == nil && r.alive() {
			r.sleep(time.Millisecond)
		}
	}))
}

// noticed waits until an end has noticed that the connection is broken, and checks the
// time.
func (r *round) noticed(end int, broken, earliest time.Time, most time.Duration) {
	e := r.ours[end]
	if e == nil {
		return
	}
	if !r.wait(e.name+": notice that the connection is broken", e.ended) {
		return
	}
	at, err := e.ending()
	// Data in buffers on the way continues to arrive for a while.
	from := broken
	if last := e.lastReceived.time(); r.s.fate != stops && last.After(from) {
		from = last
	}
	if last := e.lastTaken.time(); (e.p.sends == flatOut || e.p.sends == queues) && last.After(from) {
		from = last
	}
	took := at.Sub(from)
	r.tally.noticed(took)
	late := r.soak.control.late(from)
	if took > most+r.soak.promptly+slack*late {
		r.fault(noticedLate, "%s: noticed after %v, expected at most %v; this machine was late by %v: %v", e.name, took.Round(time.Millisecond), most, late.Round(time.Millisecond), err)
	}
	if early := earliest.Sub(at); !earliest.IsZero() && early > time.Millisecond {
		r.fault(noticedEarly, "%s: gave up %v too early: %v", e.name, early.Round(time.Millisecond), err)
	}
}

// checkCauses checks that a connection that has ended returns the reason in both
// directions, and always the same reason.
func (r *round) checkCauses(end int, right func(error) bool) {
	e := r.ours[end]
	if e == nil {
		return
	}
	select {
	case <-e.ended:
	default:
		return
	}
	if e.p.receives != never && !r.wait(e.name+": the end of its receivers", after(e.receivers.Wait)) {
		return
	}
	_, first := e.ending()
	if !right(first) {
		r.fault(wrong, "%s: ended with %v", e.name, first)
	}
	d := r.patient()
	causes := []error{errors.Unwrap(first)}
	if err := e.conn.Send(d.ctx, []byte("too late")); err == nil {
		r.fault(wrong, "%s: Send returned no error after %v", e.name, first)
	} else {
		causes = append(causes, err)
	}
	if _, err := e.conn.Recv(d.ctx); err != nil {
		causes = append(causes, err)
	}
	for _, err := range causes {
		// A write on a connection that the peer has closed may fail before a read does.
		closed := errors.Is(first, syscall.EPIPE) && isEOF(err) || errors.Is(first, io.EOF) && errors.Is(err, syscall.EPIPE)
		if errors.Is(err, zmtp.ErrHeartbeat) != errors.Is(first, zmtp.ErrHeartbeat) || errors.Is(err, io.EOF) != errors.Is(first, io.EOF) && !closed || isClosed(err) {
			r.fault(wrong, "%s: ended with %v, and then returned: %v", e.name, first, err)
			return
		}
	}
}

// isEOF reports whether an error of Recv is the expected one after the peer has closed.
func isEOF(err error) bool { return err == io.EOF }

// isClosed reports whether an error is the expected one after our own Close.
func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
