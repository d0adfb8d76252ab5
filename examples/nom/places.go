package nom

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// maxPeers is how many clients a server has at the same time.
const maxPeers = 1000

// errCrowded means that another client has taken a client's place.
var errCrowded = errors.New("too many clients")

// places bounds the clients of a server. A new client takes the place of the one that has
// tried to authenticate for the longest time, and never that of an authenticated one.
type places struct {
	mu       sync.Mutex
	waiting  []*place // oldest first
	admitted int
}

type place struct {
	admitted bool
	end      context.CancelCauseFunc
}

// enter returns a place, and a context that is done when another client takes it. It is done
// at once if all clients are authenticated.
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

// admit keeps a place from others, unless one has just taken it.
func (ps *places) admit(p *place) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if i := slices.Index(ps.waiting, p); i >= 0 {
		ps.waiting = slices.Delete(ps.waiting, i, i+1)
		p.admitted = true
		ps.admitted++
	}
}

// leave gives a place up.
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
