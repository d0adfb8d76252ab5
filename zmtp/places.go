package zmtp

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/zcurve/zcurve/internal/tally"
)

// state is the progress of a Listener's connection.
type state int

const (
	shaking  state = iota // the peer has proved nothing yet
	deciding              // the handler decides, or has admitted the peer
	waiting               // for Accept
	gone
)

// maxPlaces bounds the connections of a Listener in each state. The first bound limits the
// memory that strangers can take, about 40 KiB each (TestStrangersMemoryUnraced). A
// connection in the second state takes as much.
var maxPlaces = [gone]int{shaking: 1024, deciding: 4096, waiting: 4096}

// errDropped ends a handshake to make room for a newer one.
var errDropped = errors.New("dropped for a newer connection: too many handshakes in progress, or too few file descriptors left")

// places bounds the connections of a Listener until Accept returns them. If too many peers
// have proved nothing, a new one replaces an old one, so that no number of them keeps
// others out. The other states take no more connections when they are full.
type places struct {
	mu       sync.Mutex
	max      [gone]int
	count    [gone]int
	shaking  list.List      // of *place, the oldest first
	networks map[string]int // how many of these each network has

	asking atomic.Int32 // calls of the handler in progress
}

// place is the place of one connection. A nil place belongs to a connection without a
// Listener, and bounds nothing.
type place struct {
	of      *places
	nc      net.Conn
	network string
	end     context.CancelCauseFunc // ends the handshake

	// Under of.mu.
	state   state
	element *list.Element // of of.shaking, while in that state
	greeted bool          // the first command was valid
}

func newPlaces() *places { return &places{max: maxPlaces, networks: map[string]int{}} }

// enter gives a new connection a place among those that have proved nothing. If all are
// taken, another connection loses its place.
func (ps *places) enter(nc net.Conn, end context.CancelCauseFunc) *place {
	p := &place{of: ps, nc: nc, network: tally.Network(peerName(nc)), end: end}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.shakeLocked()
	return p
}

// shakeLocked moves a place that is in no state to those that have proved nothing.
func (p *place) shakeLocked() {
	ps := p.of
	if ps.count[shaking] >= ps.max[shaking] {
		ps.dropLocked()
	}
	p.state = shaking
	p.element = ps.shaking.PushBack(p)
	ps.count[shaking]++
	ps.networks[p.network]++
}

// dropSome drops a quarter of those that have proved nothing, which frees their file
// descriptors, and reports whether there were any.
func (ps *places) dropSome() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	n := (ps.count[shaking] + 3) / 4
	for range n {
		ps.dropLocked()
	}
	return n > 0
}

// dropLocked drops one of those that have proved nothing, from a network that has the most
// of them: the oldest that has not sent a first command. If more have sent one than have
// not, it drops the oldest that has. A first command costs a peer nothing, because it can
// send the same one again. So peers that have sent theirs make room for those that are
// about to.
func (ps *places) dropLocked() {
	most := 0
	for _, n := range ps.networks {
		most = max(most, n)
	}
	var silent, greeted *place // the oldest of each
	balance := 0               // how many more are greeted
	for e := ps.shaking.Front(); e != nil; e = e.Next() {
		p := e.Value.(*place)
		switch {
		case ps.networks[p.network] < most:
		case p.greeted:
			greeted = cmp.Or(greeted, p)
			balance++
		default:
			silent = cmp.Or(silent, p)
			balance--
		}
	}
	dropped := silent
	if balance > 0 {
		dropped = greeted
	}
	dropped.leaveLocked()
	dropped.end(errDropped)
	dropped.nc.Close()
}

// leaveLocked gives up the place.
func (p *place) leaveLocked() {
	ps := p.of
	if p.state == gone {
		return
	}
	ps.count[p.state]--
	if p.state == shaking {
		ps.shaking.Remove(p.element)
		if ps.networks[p.network]--; ps.networks[p.network] == 0 {
			delete(ps.networks, p.network)
		}
	}
	p.state = gone
}

// moveLocked moves the place to another state, if that has room.
func (p *place) moveLocked(to state) bool {
	if p.state == gone || p.of.count[to] >= p.of.max[to] {
		return false
	}
	p.leaveLocked()
	p.state = to
	p.of.count[to]++
	return true
}

// greet notes that the peer's first command was valid.
func (p *place) greet() {
	if p == nil {
		return
	}
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.greeted = true
}

// decide reports whether there is room for another decision.
func (p *place) decide() bool {
	if p == nil {
		return true
	}
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	return p.moveLocked(deciding)
}

// shake moves the place back to those that have proved nothing.
func (p *place) shake() {
	if p == nil {
		return
	}
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if p.state == deciding {
		p.leaveLocked()
		p.shakeLocked()
	}
}

// wait moves the place to those that wait for Accept. If these are too many, a connection
// that the handler has admitted keeps its place, and wait returns false for any other.
func (p *place) wait() bool {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	return p.moveLocked(waiting) || p.state == deciding
}

// leave gives up the place.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.leaveLocked()
}
