package zmtp

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeDeadline records the deadlines that an interrupter sets.
type fakeDeadline struct {
	mu   sync.Mutex
	past bool
	set  chan struct{}
}

func (d *fakeDeadline) setDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past = !at.IsZero()
	d.set <- struct{}{}
	return nil
}

func (d *fakeDeadline) isPast() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past
}

// TestInterrupter checks that a context interrupts its own call, whenever it ends, and
// no other.
func TestInterrupter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDeadline{set: make(chan struct{}, 10)}
		i := interrupter{setDeadline: d.setDeadline}
		untouched := func(when string) {
			t.Helper()
			synctest.Wait()
			if len(d.set) > 0 || d.isPast() {
				t.Fatalf("%s: a deadline was set", when)
			}
		}
		interrupted := func(when string) {
			t.Helper()
			<-d.set
			if !d.isPast() {
				t.Fatalf("%s: not interrupted", when)
			}
			i.end()
			<-d.set
			if d.isPast() {
				t.Fatalf("%s: the deadline stays", when)
			}
		}

		i.begin(context.Background())
		i.end()
		untouched("a context that never ends")

		a, cancelA := context.WithCancel(context.Background())
		for range 3 {
			i.begin(a)
			i.end()
		}
		i.begin(a)
		cancelA()
		interrupted("during the call")
		i.begin(a)
		interrupted("before the call, the same context as before")

		b, cancelB := context.WithCancel(context.Background())
		i.begin(b)
		i.end()
		cancelB()
		untouched("between calls")
		c, cancelC := context.WithCancel(context.Background())
		defer cancelC()
		i.begin(c)
		untouched("another context's end")
		i.end()

		e, cancelE := context.WithCancel(context.Background())
		cancelE()
		i.begin(e)
		interrupted("before the call, another context")
		f, cancelF := context.WithCancel(context.Background())
		i.begin(f)
		i.end()
		i.close()
		cancelF()
		untouched("after close")
	})
}
