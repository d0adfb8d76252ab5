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

// Reasons for closing a connection when there are too many.
var (
	errIdle = fmt.Errorf("%d connections are open, and this one has been idle the longest", maxPeers)
	errMost = fmt.Errorf("%d connections are open, and most of them are from this origin", maxPeers)
	errFull = fmt.Errorf("%d connections are open, and requests are in progress on all that could be closed", maxPeers)
)

// places holds the connections of all calls of Serve. When there are too many, it closes
// a connection of the origin that has the most. It chooses one without requests in
// progress: one that has never sent a request, or the one whose last request is longest
// ago. So connections without requests do not displace connections with requests, and no
// origin displaces another.
type places struct {
	mu   sync.Mutex
	held map[*peer]bool
	turn atomic.Uint64 // counts connections and batches of requests
}

// origin is the source of a connection: the user, or the network, and the listener. All
// loopback addresses are one origin, because each local user can use all of them.
type origin struct {
	server *server
	name   string
}

// originOf returns the origin of a connection from its address, and its user if known.
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

// hasAsked is added to the turn of a connection that has sent a request, so that its turn
// is later than that of any connection that has not.
const hasAsked = 1 << 63

// take gives a new connection a place. It reports whether there was one.
func (ps *places) take(p *peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.held) >= maxPeers {
		hits.connections.Add(1)
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

// chooseLocked returns the connection to close for a new one, and the reason; or nil. It
// chooses a connection with requests in progress only if the new one is from an origin
// that has fewer connections.
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

// earlier returns the connection whose turn is earlier. a may be nil.
func earlier(a, b *peer) *peer {
	if a == nil || b.turn.Load() < a.turn.Load() {
		return b
	}
	return a
}

// asked records that a connection has sent requests.
func (ps *places) asked(p *peer) { p.turn.Store(ps.turn.Add(1) | hasAsked) }

// leave frees the place of a connection.
func (ps *places) leave(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.held, p)
}
