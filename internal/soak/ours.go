package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zmtp"
)

// conn is a connection under test: a *zmtp.Conn or, in a test, one that breaks its promises.
type conn interface {
	Send(ctx context.Context, parts ...[]byte) error
	Queue(ctx context.Context, parts ...[]byte) error
	Flush(ctx context.Context) error
	Subscribe(ctx context.Context, topic []byte) error
	Unsubscribe(ctx context.Context, topic []byte) error
	Recv(ctx context.Context) ([][]byte, error)
	RecvBatch(ctx context.Context) ([][][]byte, error)
	Close() error
	CloseNow() error
}

// ours is an end that is a connection of package zmtp.
type ours struct {
	r       *round
	name    string
	p       party
	conn    conn
	in, out *lane

	senders, receivers sync.WaitGroup

	stopped      chan struct{} // closed to stop it from receiving
	lastReceived moment
	lastTaken    moment
	ended        chan struct{} // closed when a call has reported that the connection has ended

	mu      sync.Mutex // guards what follows
	err     error      // time of the first such call
	endedAt time.Time
	recvErr error // error of the first Recv or RecvBatch to report it
}

func newOurs(r *round, name string, p party, conn conn, in, out *lane) *ours {
	return &ours{r: r, name: name, p: p, conn: conn, in: in, out: out, stopped: make(chan struct{}), ended: make(chan struct{})}
}

// start starts sending and receiving.
func (e *ours) start() {
	for i, f := range e.out.flows {
		e.senders.Go(func() { e.send(f, e.r.random(e.name, "sends", i)) })
	}
	if e.p.receives != never {
		e.receiveAll()
	}
}

// receiveAll starts receiving.
func (e *ours) receiveAll() {
	for i := range max(1, e.p.receivers) {
		e.receivers.Go(func() { e.receive(e.r.random(e.name, "receives", i)) })
	}
}

// ending returns when a call first reported the end, and its error.
func (e *ours) ending() (at time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.endedAt, e.err
}

// end records that a call reported the end of the connection.
func (e *ours) end(call string, err error) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.recvErr == nil && (call == "Recv" || call == "RecvBatch") {
		e.recvErr = err
	}
	if e.err == nil {
		e.err, e.endedAt = fmt.Errorf("%s: %w", call, err), now
		close(e.ended)
	}
}

// send sends until it is stopped or the connection ends.
func (e *ours) send(f *flow, rnd *rand.Rand) {
	for e.r.pause(e.p, rnd) {
		if !e.sendSome(f, rnd) {
			return
		}
	}
	if e.p.sends == queues && e.r.flushes {
		d := e.r.patient()
		e.took(f, "Flush", e.conn.Flush(d.ctx), d, 0)
	}
}

// sendSome makes the calls of one turn, and reports whether the connection is alive.
func (e *ours) sendSome(f *flow, rnd *rand.Rand) bool {
	if e.p.sends == subscribes {
		d := e.deadline(rnd)
		defer d.cancel()
		topic := f.message(0, 0, rnd)[0]
		if f.taken.Load()%2 == 0 {
			return e.took(f, "Subscribe", e.conn.Subscribe(d.ctx, topic), d, 1)
		}
		return e.took(f, "Unsubscribe", e.conn.Unsubscribe(d.ctx, topic), d, 1)
	}
	if e.p.sends != queues {
		d := e.deadline(rnd)
		defer d.cancel()
		return e.took(f, "Send", e.conn.Send(d.ctx, e.message(f, rnd)...), d, 1)
	}
	for range 1 + rnd.IntN(100) {
		d := e.deadline(rnd)
		lives := e.took(f, "Queue", e.conn.Queue(d.ctx, e.message(f, rnd)...), d, 1)
		d.cancel()
		if !lives {
			return false
		}
	}
	d := e.deadline(rnd)
	defer d.cancel()
	return e.took(f, "Flush", e.conn.Flush(d.ctx), d, 0)
}

// message returns a message, usually a small one.
func (e *ours) message(f *flow, rnd *rand.Rand) [][]byte { return f.message(bodies(e.p, rnd)) }

// bodies returns a random number of bodies and a random size.
func bodies(p party, rnd *rand.Rand) (number, size int, _ *rand.Rand) {
	switch n := rnd.IntN(8); {
	case p.large:
		size = p.size
	case n < 5:
		size = rnd.IntN(min(p.size, 200) + 1)
	case n == 5:
		size = p.size
	default:
		size = rnd.IntN(p.size + 1)
	}
	if size > 0 {
		number = 1 + rnd.IntN(3)
	}
	return number, size, rnd
}

// took records the result of a call for a message, and reports whether the connection is
// alive. It checks this promise: no error, or ErrQueued, means that the message arrives;
// the context's error alone means that it doesn't.
func (e *ours) took(f *flow, call string, err error, d *deadline, messages uint64) (lives bool) {
	e.r.returned(e, call, d)
	interrupted := d.ctx.Err() != nil && errors.Is(err, d.ctx.Err())
	switch {
	case err == nil, errors.Is(err, zmtp.ErrQueued) && interrupted:
		f.taken.Add(messages)
		if err == nil && call != "Queue" {
			e.lastTaken.set(time.Now())
		}
		return true
	case interrupted:
		return e.r.ctx.Err() == nil
	}
	f.maybe.Add(messages)
	e.end(call, err)
	return false
}

// receive receives until it is stopped or the connection ends.
func (e *ours) receive(rnd *rand.Rand) {
	var slow pace
	for {
		select {
		case <-e.stopped:
			return
		case <-e.r.ctx.Done():
			return
		default:
		}
		if !e.receiveSome(rnd, &slow) {
			return
		}
	}
}

// receiveSome makes one call, and reports whether the connection is alive.
func (e *ours) receiveSome(rnd *rand.Rand, slow *pace) bool {
	d := e.receiveDeadline(rnd)
	defer d.cancel()
	var messages [][][]byte
	var err error
	call := "Recv"
	if e.p.receives == batches || e.p.receives == pollBatches {
		call = "RecvBatch"
		messages, err = e.conn.RecvBatch(d.ctx)
	} else {
		var message [][]byte
		if message, err = e.conn.Recv(d.ctx); err == nil {
			messages = append(messages, message)
		}
	}
	e.r.returned(e, call, d)
	if err != nil {
		if d.ctx.Err() != nil && errors.Is(err, d.ctx.Err()) {
			return e.r.ctx.Err() == nil
		}
		e.end(call, err)
		return false
	}
	e.lastReceived.set(time.Now())
	for _, message := range messages {
		if e.p.socket == "XPUB" { // a subscription is 1 or 0, and then the topic
			message = [][]byte{message[0][1:]}
		}
		e.in.receive(message)
	}
	switch {
	case e.p.receives == slowly:
		slow.take(e.r, time.Duration(rnd.IntN(4))*time.Millisecond)
	case e.p.receives == pauses && rnd.IntN(200) == 0:
		e.r.sleep(e.p.timeout / 4)
	}
	return true
}
