package zmtp

import (
	"context"
	"sync"
	"time"
)

// aLongTimeAgo is a deadline that interrupts a net.Conn at once.
var aLongTimeAgo = time.Unix(1, 0)

// interrupter lets a context interrupt calls to a net.Conn. It stays registered with the
// context of the last call, because the next call usually has the same one, and registering
// takes time and allocates.
type interrupter struct {
	setDeadline func(time.Time) error // the net.Conn's for reading, writing or both

	mu    sync.Mutex
	done  <-chan struct{} // of the context of the last call
	stop  func() bool     // of context.AfterFunc
	on    bool            // a call is in progress
	fired bool            // it was interrupted
}

// begin lets ctx interrupt calls until end. If ctx is already done, it interrupts at once.
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

// end resets the deadline.
func (i *interrupter) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on = false
	if i.fired {
		i.fired = false
		i.setDeadline(time.Time{})
	}
}

// close unregisters from the context.
func (i *interrupter) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stop != nil {
		i.stop()
	}
	i.done, i.stop = nil, nil
}
