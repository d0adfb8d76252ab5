package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
)

// The control measures how late this machine is. Its goroutines read from a silent
// connection until a context interrupts them, and record how long after the context's
// deadline they continue. No call of a Conn can be faster than that.
type control struct {
	start   time.Time
	buckets [1 << 14]atomic.Int64 // the greatest lateness, by the time of its measurement
	due     [controls]atomic.Int64
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

const (
	controls   = 6
	bucketSize = 10 * time.Millisecond
	// before is how long before a call the control's measurements also matter: the same
	// cause can delay two goroutines at different times.
	before = 10 * time.Second
)

// startControl starts measuring, until stop.
func startControl() (*control, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &control{start: time.Now(), cancel: cancel}
	for i := range c.due {
		nc, other, err := connected(ctx)
		if err != nil {
			c.stop()
			return nil, err
		}
		c.wg.Go(func() {
			defer nc.Close()
			defer other.Close()
			for ctx.Err() == nil {
				c.observe(nc, &c.due[i])
			}
		})
	}
	return c, nil
}

func (c *control) stop() {
	c.cancel()
	c.wg.Wait()
}

// connected returns both ends of a connection.
func connected(ctx context.Context) (nc, other net.Conn, err error) {
	ln, err := endpoint.Listen(ctx, "tcp://127.0.0.1:*")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if nc, err = endpoint.Dial(ctx, "tcp://"+ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	if other, err = ln.Accept(); err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, other, nil
}

// observe waits once, like a call.
func (c *control) observe(nc net.Conn, due *atomic.Int64) {
	end := time.Now().Add(2 * time.Millisecond)
	due.Store(int64(end.Sub(c.start)))
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	interrupted := make(chan struct{})
	context.AfterFunc(ctx, func() {
		nc.SetReadDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	nc.Read(make([]byte, 1))
	<-interrupted
	nc.SetReadDeadline(time.Time{})
	now := time.Now()
	due.Store(0)
	c.note(now, now.Sub(end))
}

// note records how late something was, in the bucket of its time.
func (c *control) note(at time.Time, late time.Duration) {
	bucket := &c.buckets[c.bucket(at)%len(c.buckets)]
	for {
		old := bucket.Load()
		if int64(late) <= old || bucket.CompareAndSwap(old, int64(late)) {
			return
		}
	}
}

func (c *control) bucket(at time.Time) int { return max(0, int(at.Sub(c.start)/bucketSize)) }

// late returns the greatest lateness since some time before from, including one that
// still lasts. Buckets are reused after some minutes, so the result may include older
// values, which can only make it greater.
func (c *control) late(from time.Time) (late time.Duration) {
	now := time.Now()
	for i := range c.due {
		if due := c.due[i].Load(); due != 0 {
			late = max(late, now.Sub(c.start)-time.Duration(due))
		}
	}
	last := c.bucket(now)
	for b := max(c.bucket(from.Add(-before)), last-len(c.buckets)+1); b <= last; b++ {
		late = max(late, time.Duration(c.buckets[b%len(c.buckets)].Load()))
	}
	return late
}

// most returns the greatest recorded lateness.
func (c *control) most() (late time.Duration) {
	for i := range c.buckets {
		late = max(late, time.Duration(c.buckets[i].Load()))
	}
	return late
}
