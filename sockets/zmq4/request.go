package zmq4

import (
	"encoding/binary"
	"math/rand/v2"
)

// request is REQ (RFC 28). It takes only replies, as many from each peer as it has asked for.
type request struct {
	balance
	to *pipe   // whose reply is awaited, with WithCorrelate
	id [4]byte // of the last request, with WithCorrelate
}

// delimiter is the envelope of a request.
var delimiter = [][]byte{nil}

func newRequest(base plain) *request {
	r := &request{balance: balance{plain: base}}
	binary.BigEndian.PutUint32(r.id[:], rand.Uint32())
	return r
}

func (r *request) send(msg Msg) error {
	if !r.s.dialsLater && !r.s.isConnectedLocked() {
		return errNoConnections
	}
	p := r.chooseLocked()
	switch {
	case p == nil && !r.s.dialsLater:
		return errNoConnections
	case p == nil:
		return ErrAgain
	case !r.s.correlate:
		p.asked++
		r.s.queueLocked(p, delimiter, msg.Frames)
		return nil
	}
	if r.to != nil {
		r.to.asked = 0
	}
	r.to, p.asked, r.s.losses = p, 1, 0
	binary.BigEndian.PutUint32(r.id[:], binary.BigEndian.Uint32(r.id[:])+1)
	r.s.queueLocked(p, [][]byte{r.id[:], nil}, msg.Frames)
	return nil
}

func (r *request) arrived(p *pipe, a *arena, message [][]byte) (item, bool) {
	at := 0
	if r.s.correlate {
		at = 1
	}
	if len(message) < at+2 || len(message[at]) > 0 {
		return item{}, false
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if p.asked == 0 || r.s.correlate && (p != r.to || string(message[0]) != string(r.id[:])) {
		return item{}, false
	}
	p.asked--
	return item{frames: a.copy(nil, message), envelope: at + 1}, true
}

// received drops the reply to a request before the last, with WithCorrelate.
func (r *request) received(_ *pipe, it item) bool {
	return !r.s.correlate || string(it.frames[0]) == string(r.id[:])
}

func (r *request) detached(p *pipe) {
	if !p.dialed { // what waits to be sent is lost too
		r.s.losses += p.asked
		p.asked = 0
	}
	r.lostLocked(p)
}

// lostLocked makes Recv return an error for each reply that is lost: those to requests that no
// longer wait to be sent.
func (r *request) lostLocked(p *pipe) {
	if lost := p.asked - p.out.len(); lost > 0 {
		p.asked -= lost
		r.s.losses += lost
	}
	r.s.signalMessageLocked()
}
