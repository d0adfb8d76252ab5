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

// state is how far a Listener's connection is.
type state int

const (
	shaking  state = iota // the peer has proved nothing yet
	deciding              // a handler decides about it, or has let it in
	waiting               // for Accept
	gone
)

// maxPlaces bounds the connections of a Listener in each state. The first bound is that
// of the memory which strangers can take: some 40 KiB each, as
// TestStrangersMemoryUnraced measures. One about which the handler decides takes as much.
var maxPlaces = [gone]int{shaking: 1024, deciding: 4096, waiting: 4096}

// errDropped ends a handshake for the sake of a newer one.
var errDropped = errors.New("dropped for a newer connection: too many handshakes are under way, or too few file descriptors are left")

// places bounds the connections of a Listener until Accept has returned them. Of those
// whose peers have proved nothing it drops one for each that is too many, so that no
// number of them keeps others out. Of the others it takes no more.
type places struct {
	mu       sync.Mutex
	max      [gone]int
	count    [gone]int
	shaking  list.List      // of *place, the oldest first
	networks map[string]int // how many of them are from each

	asking atomic.Int32 // connections about which a handler is being asked
}

// place is that of one connection. A nil one is that of a connection without a
// Listener, and bounds nothing.
type place struct {
	of      *places
	nc      net.Conn
	network string
	end     context.CancelCauseFunc // ends the handshake

	// Under of.mu.
	state   state
	element *list.Element // of of.shaking, in that state
	greeted bool          // the first command was right
}

func newPlaces() *places { return &places{max: maxPlaces, networks: map[string]int{}} }

// enter gives a new connection a place among those that have proved nothing. If they are
// all taken, another loses its own.
func (ps *places) enter(nc net.Conn, end context.CancelCauseFunc) *place {
	p := &place{of: ps, nc: nc, network: tally.Network(peerName(nc)), end: end}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.shakeLocked()
	return p
}

// shakeLocked puts a place that is nowhere among those that have proved nothing.
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

// dropSome drops a quarter of those that have proved nothing, and reports whether there
// were any. Their file descriptors are free then.
func (ps *places) dropSome() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	n := (ps.count[shaking] + 3) / 4
	for range n {
		ps.dropLocked()
	}
	return n > 0
}

// dropLocked drops one of those that have proved nothing, of a network that has most of
// them: the oldest that hasn't sent a first command. If more have sent one than haven't,
// it drops the oldest that has. A first command costs a peer nothing, as it can be sent
// again and again; so those who have sent it leave room for those who are about to.
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

// leaveLocked gives the place up.
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

// moveLocked gives the place another state, if there is room for it.
func (p *place) moveLocked(to state) bool {
	if p.state == gone || p.of.count[to] >= p.of.max[to] {
		return false
	}
	p.leaveLocked()
	p.state = to
	p.of.count[to]++
	return true
}

// greet says that the peer's first command was right.
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

// shake puts the place back among those that have proved nothing.
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

// wait reports whether there is room for another that waits for Accept. One that a
// handler has let in keeps its place if there isn't.
func (p *place) wait() bool {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	return p.moveLocked(waiting) || p.state == deciding
}

// leave gives the place up.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.leaveLocked()
}
