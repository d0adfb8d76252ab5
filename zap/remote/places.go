package remote

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/zcurve/zcurve/internal/tally"
)

// maxPeers bounds the connections of all calls of Serve.
const maxPeers = 1024

// Why a connection ends for want of places.
var (
	errIdle = fmt.Errorf("%d connections are open, and this one has not asked for longest", maxPeers)
	errMost = fmt.Errorf("%d connections are open, and most of them are from there", maxPeers)
	errFull = fmt.Errorf("%d connections are open, and requests are under way on all that could be closed", maxPeers)
)

// places are the connections of all calls of Serve. When there are too many, one goes of
// the origin that has most of them: one that has nothing under way, and of these one that
// has never asked before any that has, and then the one that has not asked for longest.
// So connections that only take places can't keep out one that asks, nor for long one
// that has asked; and whatever one origin does, it keeps no other out.
type places struct {
	mu   sync.Mutex
	held map[*peer]bool
	turn atomic.Uint64 // counts arrivals and batches of requests
}

// origin is from where connections come: who it is, or from which network, at which
// listener. All addresses of loopback are one, as every local user has all of them.
type origin struct {
	server *server
	name   string
}

// originOf returns the origin of a connection from an address, of a user if that is
// known.
func (s *server) originOf(from net.Addr, user string) origin {
	switch a, isTCP := from.(*net.TCPAddr); {
	case user != "":
		return origin{s, "user " + user}
	case !isTCP:
		return origin{s, "ipc"}
	case a.IP.IsLoopback():
		return origin{s, "loopback"}
	default:
		return origin{s, tally.Network(a.IP.String())}
	}
}

// hasAsked makes the turn of a connection that has asked later than that of any that
// hasn't.
const hasAsked = 1 << 63

// take gives a new connection a place. It reports false if all are taken.
func (ps *places) take(p *peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.held) >= maxPeers {
		old, why := ps.chooseLocked(p)
		if old == nil {
			return false
		}
		old.end(why)
		delete(ps.held, old)
	}
	p.turn.Store(ps.turn.Add(1))
	ps.held[p] = true
	return true
}

// chooseLocked returns the connection that is to go for a new one, and why; nil if none
// is. One with requests under way goes only for an origin that has fewer.
func (ps *places) chooseLocked(p *peer) (*peer, error) {
	counts, most := map[origin]int{}, 0
	for old := range ps.held {
		counts[old.origin]++
		most = max(most, counts[old.origin])
	}
	var idle, busy *peer
	for old := range ps.held {
		switch {
		case counts[old.origin] < most:
		case len(old.undecided) == 0:
			idle = earlier(idle, old)
		default:
			busy = earlier(busy, old)
		}
	}
	if idle != nil {
		return idle, errIdle
	}
	if counts[p.origin]+1 < most {
		return busy, errMost
	}
	return nil, errFull
}

// earlier returns that of two connections whose turn is earlier; a may be nil.
func earlier(a, b *peer) *peer {
	if a == nil || b.turn.Load() < a.turn.Load() {
		return b
	}
	return a
}

// asked notes that a connection has sent a request.
func (ps *places) asked(p *peer) { p.turn.Store(ps.turn.Add(1) | hasAsked) }

// leave gives the place of a connection back.
func (ps *places) leave(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.held, p)
}
