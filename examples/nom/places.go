package nom

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// maxPeers is the maximum number of clients at a time.
const maxPeers = 1000

// errCrowded means that another client has taken the place of this one.
var errCrowded = errors.New("too many clients")

// places limits the number of clients. If there are too many, a new client takes the place of the
// one that has been authenticating for the longest time, and never that of an authenticated one.
type places struct {
	mu       sync.Mutex
	waiting  []*place // oldest first
	admitted int
}

type place struct {
	admitted bool
	end      context.CancelCauseFunc
}

// enter returns a place, and a context that is done when another client takes the place, or at
// once if all clients are authenticated.
func (ps *places) enter(ctx context.Context) (context.Context, *place) {
	ctx, end := context.WithCancelCause(ctx)
	p := &place{end: end}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.waiting = append(ps.waiting, p)
	if len(ps.waiting)+ps.admitted > maxPeers {
		ps.waiting[0].end(errCrowded)
		ps.waiting = ps.waiting[1:]
	}
	return ctx, p
}

// admit reserves a place, unless another client has just taken it.
func (ps *places) admit(p *place) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if i := slices.Index(ps.waiting, p); i >= 0 {
		ps.waiting = slices.Delete(ps.waiting, i, i+1)
		p.admitted = true
		ps.admitted++
	}
}

// leave frees a place.
func (ps *places) leave(p *place) {
	p.end(nil)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.admitted {
		ps.admitted--
	} else if i := slices.Index(ps.waiting, p); i >= 0 {
		ps.waiting = slices.Delete(ps.waiting, i, i+1)
	}
}
