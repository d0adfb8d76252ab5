package zmq4

import (
	"maps"
	"slices"

	"github.com/zcurve/zcurve/zmtp"
)

// publish is PUB and XPUB (RFC 29).
type publish struct {
	plain
	tree  topicTree
	round uint64
	last  *pipe // whose message Recv has returned last, with WithManual
}

// maxTopics bounds the bytes of a peer's subscriptions, with topicOverhead for each.
const (
	maxTopics     = 16 << 20
	topicOverhead = 128
)

// attached begins without subscriptions, except for a peer that was dialed and is back.
func (pb *publish) attached(p *pipe) error {
	if p.topics != nil {
		if isSameUser(p.from, p.former) && p.octets <= maxTopics {
			return nil
		}
		pb.leave(p, p.former)
	}
	p.topics, p.octets = map[string]bool{}, 0
	p.manual = map[string]bool{}
	p.dropLocked()
	return nil
}

// detached ends the subscriptions of a peer, unless it was dialed and is expected back: then
// messages wait for it, as in libzmq.
func (pb *publish) detached(p *pipe) {
	if !p.dialed || !pb.s.keepsPeers {
		pb.leave(p, p.from)
	}
}

// leave ends the peer's subscriptions, and an XPUB receives that from the user who had them.
func (pb *publish) leave(p *pipe, user *zmtp.User) {
	if pb.last == p {
		pb.last = nil
	}
	for topic := range p.topics {
		if !pb.s.manual {
			pb.tree.remove(topic, p)
		}
	}
	for topic := range p.manual {
		pb.tree.remove(topic, p)
	}
	told := map[string]bool{} // topics whose subscription Recv has yet to return
	if !pb.s.manual {
		told = pb.forgetLocked(p)
	}
	for topic := range p.topics {
		if pb.s.typ == XPub && !told[topic] && (pb.s.manual || pb.tree.count(topic) == 0) {
			p.deliverLocked(item{frames: [][]byte{append([]byte{0}, topic...)}, from: user})
		}
	}
	pb.s.signalMessageLocked()
	p.topics, p.manual = nil, nil
}

// forgetLocked removes the subscriptions of a lost peer that Recv has yet to return, and that
// nobody else has. It returns their topics. So a program that never calls Recv keeps nothing
// of lost peers.
func (pb *publish) forgetLocked(p *pipe) map[string]bool {
	forgotten := map[string]bool{}
	known := map[string]bool{} // Recv has returned the subscription
	var kept ring[item]
	for p.in.len() > 0 {
		it := p.in.pop()
		f := it.frames[0]
		if isSubscription(it.frames) {
			topic := string(f[1:])
			if f[0] == 0 && !forgotten[topic] {
				known[topic] = true
			}
			if !known[topic] && pb.tree.count(topic) == 0 {
				forgotten[topic] = true
				continue
			}
		}
		kept.push(it)
	}
	if p.in = kept; kept.len() == 0 {
		pb.s.deactivateLocked(p)
	}
	return forgotten
}

func (pb *publish) received(p *pipe, it item) bool {
	if pb.last = p; !isSameUser(it.from, p.from) {
		pb.last = nil // another user sent it
	}
	return true
}

// set changes the subscriptions of the peer whose message Recv has returned last, with
// socket.mu held.
func (pb *publish) set(subscribes bool, topic string) {
	p := pb.last
	switch {
	case p == nil || p.manual == nil || p.manual[topic] == subscribes:
	case subscribes:
		p.manual[topic] = true
		pb.tree.add(topic, p)
	default:
		delete(p.manual, topic)
		pb.tree.remove(topic, p)
	}
}

func (pb *publish) send(msg Msg) error {
	pb.round++
	var r record
	pb.tree.match(msg.Frames[0], func(pipes []*pipe) {
		for _, p := range pipes {
			if p.round == pb.round {
				continue
			}
			if p.round = pb.round; !p.hasRoomLocked() {
				continue
			}
			if r.chunk == nil {
				r = pb.s.storeLocked(nil, msg.Frames)
			}
			p.queueLocked(r)
		}
	})
	if r.chunk != nil {
		r.chunk.release()
	}
	return nil
}

func (pb *publish) arrived(p *pipe, a *arena, message [][]byte) (item, bool) {
	if isSubscription(message) {
		if !pb.subscribed(p, message[0][0] == 1, string(message[0][1:])) {
			return item{}, false
		}
	}
	if pb.s.typ == Pub {
		return item{}, false
	}
	return pb.plain.arrived(p, a, message)
}

// isSubscription reports whether a message subscribes to a topic, or ends that.
func isSubscription(message [][]byte) bool {
	return len(message) == 1 && len(message[0]) > 0 && message[0][0] <= 1
}

// subscribed notes a subscription, or its end, and reports whether an XPUB receives it. A peer
// that subscribes twice needs one end only: libzmq sends each subscription, but the last end
// only.
func (pb *publish) subscribed(p *pipe, subscribes bool, topic string) bool {
	pb.s.mu.Lock()
	defer pb.s.mu.Unlock()
	if p.topics == nil || p.conn == nil {
		return false // the connection has ended
	}
	has := p.topics[topic]
	all := pb.s.verbose || pb.s.manual
	switch {
	case subscribes:
		if has {
			return all
		}
		p.topics[topic] = true
		if p.octets += topicOverhead + len(topic); p.octets > maxTopics {
			p.cutLocked()
			return false
		}
		if !pb.s.manual {
			pb.tree.add(topic, p)
		}
		return all || pb.tree.count(topic) == 1
	case !has:
		return false
	}
	delete(p.topics, topic)
	p.octets -= topicOverhead + len(topic)
	if pb.s.manual {
		return true
	}
	pb.tree.remove(topic, p)
	return pb.tree.count(topic) == 0
}

func (pb *publish) list() []string {
	all := map[string]bool{}
	for _, p := range pb.s.pipes {
		for topic := range p.topics {
			all[topic] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// subscribe is SUB and XSUB (RFC 29). Its pipes carry subscriptions.
type subscribe struct {
	plain
	topics map[string]int // how often each was subscribed to
	tree   topicTree      // the same, to filter
}

func (sb *subscribe) attached(p *pipe) error {
	p.dropLocked()
	for _, topic := range sb.list() {
		sb.queue(p, 1, topic)
	}
	return nil
}

func (sb *subscribe) queue(p *pipe, first byte, topic string) {
	sb.s.queueLocked(p, nil, [][]byte{append([]byte{first}, topic...)})
}

func (sb *subscribe) send(msg Msg) error {
	if sb.s.typ == Sub {
		return errCannotSend
	}
	if f := msg.Frames[0]; isSubscription(msg.Frames) {
		sb.set(f[0] == 1, string(f[1:]))
		return nil
	}
	for _, p := range sb.s.pipes {
		if p.hasRoomLocked() {
			sb.s.queueLocked(p, nil, msg.Frames)
		}
	}
	return nil
}

// set subscribes to a topic or ends one subscription to it, with socket.mu held.
func (sb *subscribe) set(subscribes bool, topic string) {
	n := sb.topics[topic]
	first := byte(0)
	switch {
	case subscribes:
		if n == 0 {
			sb.tree.add(topic, nil)
		}
		sb.topics[topic] = n + 1
		first = 1 // each time, for an XPUB with WithVerbose
	case n == 0:
		return
	case n > 1:
		sb.topics[topic] = n - 1
		return
	default:
		delete(sb.topics, topic)
		sb.tree.remove(topic, nil)
	}
	for _, p := range sb.s.pipes {
		if p.conn != nil {
			sb.queue(p, first, topic)
		}
	}
}

func (sb *subscribe) arrived(p *pipe, a *arena, message [][]byte) (item, bool) {
	if sb.s.typ == Sub {
		sb.s.mu.Lock()
		wanted := false
		sb.tree.match(message[0], func([]*pipe) { wanted = true })
		sb.s.mu.Unlock()
		if !wanted {
			return item{}, false
		}
	}
	return sb.plain.arrived(p, a, message)
}

func (sb *subscribe) list() []string { return slices.Sorted(maps.Keys(sb.topics)) }

// withTopics is a socket that has Topics.
type withTopics struct{ *socket }

// Topics returns the subscriptions, sorted: of a SUB its own, of a PUB or XPUB those of its
// peers.
func (w withTopics) Topics() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pattern.(interface{ list() []string }).list()
}
