package zmq4

import (
	"context"

	"github.com/zcurve/zcurve/zmtp"
)

// pattern implements what differs between the types of sockets.
type pattern interface {
	// attached is called with socket.mu held when a pipe has a new connection. It returns
	// an error if the peer is refused.
	attached(p *pipe) error
	// detached is called with socket.mu held when a pipe has lost its connection.
	detached(p *pipe)
	// send queues a message, with socket.mu held. It returns ErrAgain if it must wait for
	// room, and has done nothing then.
	send(msg Msg) error
	// arrived takes a message from a connection, and returns what Recv returns of it. ok is
	// false if that is nothing. The message is valid during the call.
	arrived(p *pipe, a *arena, message [][]byte) (it item, ok bool)
	// received is called with socket.mu held when Recv takes a message, and reports whether
	// it returns it.
	received(p *pipe, it item) bool
}

// plain is the part of a pattern that does nothing.
type plain struct{ s *socket }

func (plain) attached(*pipe) error      { return nil }
func (plain) detached(*pipe)            {}
func (plain) received(*pipe, item) bool { return true }
func (plain) arrived(_ *pipe, a *arena, message [][]byte) (item, bool) {
	return item{frames: a.copy(nil, message)}, true
}

// balance sends to each peer in turn, and skips those that can take no more: PUSH,
// DEALER and PAIR (RFC 28, RFC 30, RFC 31).
type balance struct {
	plain
	next int
}

func (b *balance) send(msg Msg) error {
	p := b.chooseLocked()
	if p == nil {
		return ErrAgain
	}
	b.s.queueLocked(p, nil, msg.Frames)
	return nil
}

// chooseLocked returns the next peer that has room, or nil.
func (b *balance) chooseLocked() *pipe {
	pipes := b.s.pipes
	for i := range pipes {
		p := pipes[(b.next+i)%len(pipes)]
		if p.hasRoomLocked() {
			b.next = (b.next + i + 1) % len(pipes)
			return p
		}
	}
	return nil
}

// exclusive is PAIR: a balance of one peer.
type exclusive struct{ balance }

func (e *exclusive) attached(p *pipe) error {
	for _, other := range e.s.pipes {
		if other != p {
			return errSecond
		}
	}
	return nil
}

// pull receives only (RFC 30).
type pull struct{ plain }

func (pull) send(Msg) error { return errCannotSend }

// push sends only.
type push struct{ balance }

func (push) arrived(*pipe, *arena, [][]byte) (item, bool) { return item{}, false }

// route is ROUTER (RFC 28): frame 0 of a message is the routing id of the peer.
type route struct {
	plain
	peers map[string]*pipe
	last  uint32 // of the ids that were made up
}

func (r *route) attached(p *pipe) error {
	id := p.conn.Claims().Get("Identity")
	hasName := id != "" && len(id) <= 255 && id[0] != 0
	returns := isSameUser(p.from, p.former)
	switch {
	case hasName:
	case p.id != "" && p.id[0] == 0 && returns:
		id = p.id
	default:
		r.last++
		id = string([]byte{0, byte(r.last >> 24), byte(r.last >> 16), byte(r.last >> 8), byte(r.last)})
	}
	if old := r.peers[id]; old != nil && old != p {
		if !r.mayTake(p, old) {
			return errTaken
		}
		old.id = ""
		old.cutLocked()
	}
	if p.id != id || !returns {
		p.dropLocked() // it is for another peer
	}
	if p.id != "" && p.id != id && r.peers[p.id] == p {
		delete(r.peers, p.id)
	}
	p.id, r.peers[id] = id, p
	return nil
}

// mayTake reports whether a new peer may take the id of an old one.
func (r *route) mayTake(p, old *pipe) bool {
	if p.from == nil && old.from == nil {
		return r.s.handover
	}
	return isSameUser(p.from, old.from)
}

// isSameUser reports whether two peers have proved the same, or both nothing. Metadata alone
// says nothing of who they are.
func isSameUser(a, b *zmtp.User) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Key == b.Key && a.ID == b.ID && (a.ID != "" || a.Key != (zmtp.User{}).Key)
}

func (r *route) detached(p *pipe) {
	if !p.dialed && r.peers[p.id] == p {
		delete(r.peers, p.id)
	}
}

func (r *route) send(msg Msg) error {
	if len(msg.Frames) < 2 {
		return errNoIdentity
	}
	p := r.peers[string(msg.Frames[0])]
	if p != nil && p.isGoneLocked() {
		p = nil
	}
	switch {
	case p == nil && r.s.mandatory:
		return ErrNoRoute
	case p == nil:
		return nil
	case !p.hasRoomLocked() && r.s.mandatory:
		return ErrAgain
	case !p.hasRoomLocked():
		return nil
	}
	r.s.queueLocked(p, nil, msg.Frames[1:])
	return nil
}

func (r *route) arrived(p *pipe, a *arena, message [][]byte) (item, bool) {
	r.s.mu.Lock()
	id := p.id
	r.s.mu.Unlock()
	if id == "" {
		return item{}, false // another peer has taken it
	}
	return item{frames: a.copy([]byte(id), message)}, true
}

// reply is REP (RFC 28): Send answers the message of the last Recv.
type reply struct {
	plain
	to       *pipe // nil if there is nothing to answer
	envelope [][]byte
}

func (r *reply) arrived(_ *pipe, a *arena, message [][]byte) (item, bool) {
	for i, frame := range message {
		if len(frame) == 0 && i < len(message)-1 {
			return item{frames: a.copy(nil, message), envelope: i + 1}, true
		}
	}
	return item{}, false
}

// attached drops replies to the peer before, which no longer waits for them.
func (r *reply) attached(p *pipe) error {
	p.dropLocked()
	return nil
}

// detached makes the requests of a lost peer ones without a reply: another peer that comes to
// its endpoint has not asked.
func (r *reply) detached(p *pipe) {
	if r.to == p {
		r.to, r.envelope = nil, nil
	}
	for i := range p.in.len() {
		it := p.in.at(i)
		it.frames, it.envelope = it.frames[it.envelope:], 0
	}
}

func (r *reply) received(p *pipe, it item) bool {
	r.to, r.envelope = p, it.frames[:it.envelope:it.envelope]
	if it.envelope == 0 {
		r.to = nil
	}
	return true
}

func (r *reply) send(msg Msg) error {
	p, envelope := r.to, r.envelope
	r.to, r.envelope = nil, nil
	if p == nil || p.conn == nil || !p.hasRoomLocked() {
		return nil
	}
	r.s.queueLocked(p, envelope, msg.Frames)
	return nil
}

// newPattern returns the pattern of a type.
func newPattern(s *socket) pattern {
	base := plain{s}
	switch s.typ {
	case Pair:
		return &exclusive{balance{plain: base}}
	case Push:
		return &push{balance{plain: base}}
	case Pull:
		return &pull{base}
	case Router:
		return &route{plain: base, peers: map[string]*pipe{}}
	case Req:
		return newRequest(base)
	case Rep:
		return &reply{plain: base}
	case Pub, XPub:
		return &publish{plain: base}
	case Sub, XSub:
		return &subscribe{plain: base, topics: map[string]int{}}
	}
	return &balance{plain: base} // DEALER
}

// NewPair returns a PAIR, which has one peer.
func NewPair(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Pair, opts) }

// NewPub returns a PUB, which sends each message to the peers that have subscribed to it.
func NewPub(ctx context.Context, opts ...Option) Socket { return withTopics{newSocket(ctx, Pub, opts)} }

// NewSub returns a SUB, which receives what it has subscribed to.
func NewSub(ctx context.Context, opts ...Option) Socket { return withTopics{newSocket(ctx, Sub, opts)} }

// NewReq returns a REQ, which sends requests to a REP and receives its replies.
func NewReq(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Req, opts) }

// NewRep returns a REP, which answers each request.
func NewRep(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Rep, opts) }

// NewDealer returns a DEALER, which sends to its peers in turn.
func NewDealer(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Dealer, opts) }

// NewRouter returns a ROUTER, which receives and sends messages with the routing id of the
// peer in frame 0.
func NewRouter(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Router, opts) }

// NewPull returns a PULL, which receives from its peers in turn.
func NewPull(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Pull, opts) }

// NewPush returns a PUSH, which sends to its peers in turn.
func NewPush(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, Push, opts) }

// NewXPub returns an XPUB: a PUB that receives the subscriptions.
func NewXPub(ctx context.Context, opts ...Option) Socket {
	return withTopics{newSocket(ctx, XPub, opts)}
}

// NewXSub returns an XSUB: a SUB that subscribes by sending a byte 1, or 0 to unsubscribe,
// and the topic.
func NewXSub(ctx context.Context, opts ...Option) Socket { return newSocket(ctx, XSub, opts) }
