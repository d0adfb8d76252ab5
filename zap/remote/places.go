package remote

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// maxPeers bounds the connections of all calls of Serve.
const maxPeers = 1024

// Why a connection ends for want of places.
var (
	errIdle = fmt.Errorf("%d connections are open, and this one has not asked for longest", maxPeers)
	errFull = fmt.Errorf("%d connections are open, and requests are under way on all of them", maxPeers)
)

// places are the connections of all calls of Serve. When there are too many, one goes
// that has nothing under way: one that has never asked before any that has, and of these
// the one that has not asked for longest. So connections that only take places can't keep
// out one that asks, nor for long one that has asked.
type places struct {
	mu   sync.Mutex
	held map[*peer]bool
	turn atomic.Uint64 // counts arrivals and batches of requests
}

// hasAsked makes the turn of a connection that has asked later than that of any that
// hasn't.
const hasAsked = 1 << 63

// take gives a new connection a place. It reports false if there is none.
func (ps *places) take(p *peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.held) >= maxPeers {
		idle := ps.idleLocked()
		if idle == nil {
			return false
		}
		idle.end(errIdle)
		delete(ps.held, idle)
	}
	p.turn.Store(ps.turn.Add(1))
	ps.held[p] = true
	return true
}

// idleLocked returns the connection that is to go, nil if none is idle.
func (ps *places) idleLocked() (idle *peer) {
	for p := range ps.held {
		if len(p.undecided) == 0 && (idle == nil || p.turn.Load() < idle.turn.Load()) {
			idle = p
		}
	}
	return idle
}

// asked notes that a connection has sent a request.
func (ps *places) asked(p *peer) { p.turn.Store(ps.turn.Add(1) | hasAsked) }

// leave gives the place of a connection back.
func (ps *places) leave(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.held, p)
}
