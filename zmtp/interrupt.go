package zmtp

import (
	"context"
	"sync"
	"time"
)

// aLongTimeAgo as a deadline interrupts what a net.Conn is doing.
var aLongTimeAgo = time.Unix(1, 0)

// interrupter lets a context interrupt calls to a net.Conn. It stays registered
// with the context of the last call, since most often the next one comes with
// the same, and registering costs time and allocations.
type interrupter struct {
	setDeadline func(time.Time) error // the net.Conn's for reading, writing or both

	mu    sync.Mutex
	done  <-chan struct{} // of the context of the last call
	stop  func() bool     // of context.AfterFunc
	on    bool            // a call is under way
	fired bool            // and has been interrupted
}

// begin lets ctx interrupt what comes, until end. If ctx is done already it
// does so at once.
func (i *interrupter) begin(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on = true
	done := ctx.Done()
	if i.done == done {
		if ctx.Err() != nil {
			i.fireLocked()
		}
		return
	}
	if i.stop != nil {
		i.stop()
	}
	i.done = done
	i.stop = context.AfterFunc(ctx, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.on && i.done == done {
			i.fireLocked()
		}
	})
}

func (i *interrupter) fireLocked() {
	i.setDeadline(aLongTimeAgo)
	i.fired = true
}

// end takes the deadline back.
func (i *interrupter) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on = false
	if i.fired {
		i.fired = false
		i.setDeadline(time.Time{})
	}
}

// close leaves the context.
func (i *interrupter) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stop != nil {
		i.stop()
	}
	i.done, i.stop = nil, nil
}
