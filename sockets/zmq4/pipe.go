package zmq4

import (
	"context"
	"io"

	"github.com/zcurve/zcurve/zmtp"
)

// pipe holds the messages to and from one peer. The pipe of a peer that was dialed outlives
// its connections, with what waits to be sent. socket.mu guards it.
type pipe struct {
	socket   *socket
	endpoint string
	peer     string // the network address, if the peer has dialed
	dialed   bool
	added    bool // it is among the socket's

	conn     link       // nil while there is no connection
	broken   bool       // writing to conn has failed
	from     *zmtp.User // nil if nobody has been proved
	former   *zmtp.User // the same of the connection before
	theirs   SocketType
	out      ring[record]
	drops    int  // how often out was emptied
	failures int  // connections that have ended while the oldest message was written
	taken    int  // messages of out that are being written
	writing  bool // a goroutine runs write

	in   ring[item]
	full chan struct{} // closed when in has room again; nil if nobody waits

	id     string          // of the peer, on a ROUTER
	asked  int             // how many replies a REQ awaits
	topics map[string]bool // of the peer, on a publisher
	octets int             // that topics takes, roughly
	manual map[string]bool // topics that the program has set, with WithManual
	round  uint64          // the publisher's last message for the pipe
}

// item is a received message. On a REP, its first frames are what the reply begins with.
type item struct {
	frames   [][]byte
	envelope int        // how many frames Recv doesn't return
	from     *zmtp.User // nil if nobody has been proved
}

// isGoneLocked reports whether the peer has dialed and its connection has ended. What it has sent
// may still wait for Recv.
func (p *pipe) isGoneLocked() bool { return !p.dialed && (p.conn == nil || p.broken) }

// hasRoomLocked reports whether one more message can be queued.
func (p *pipe) hasRoomLocked() bool {
	mark := p.socket.sendMark
	return !p.isGoneLocked() && (mark == 0 || p.socket.conflate || p.out.len() < mark)
}

// queueLocked queues a message for the pipe.
func (p *pipe) queueLocked(r record) {
	r.chunk.users++
	if p.socket.conflate && !p.socket.subscribes() && p.out.len() > p.taken {
		last := p.out.at(p.out.len() - 1)
		last.chunk.release()
		*last = r
		return
	}
	p.out.push(r)
	p.startLocked()
}

// dropLocked drops what waits to be sent.
func (p *pipe) dropLocked() {
	for p.out.len() > 0 {
		p.out.pop().chunk.release()
	}
	p.drops++
	p.taken, p.failures = 0, 0
}

// cutLocked ends the connection, if there is one. Its read then returns.
func (p *pipe) cutLocked() {
	if c := p.conn; c != nil {
		p.socket.background.Go(func() { c.CloseNow() })
	}
}

// read receives until the connection ends, and returns why it did.
func (p *pipe) read(ctx context.Context, c link) error {
	if _, ours := c.(*zmtp.Conn); !ours { // such as one that has come while Close was at work
		stop := context.AfterFunc(ctx, func() { c.CloseNow() })
		defer stop()
	}
	var a arena
	var ready []item
	for {
		batch, err := c.RecvBatch(ctx)
		if err != nil {
			return err
		}
		ready = ready[:0]
		for _, message := range batch {
			if it, ok := p.socket.pattern.arrived(p, &a, message); ok {
				it.from = p.from
				ready = append(ready, it)
			}
		}
		for waiting := ready; len(waiting) > 0; {
			n, room := p.deliver(waiting)
			waiting = waiting[n:]
			if room == nil {
				continue
			}
			select {
			case <-room:
			case <-ctx.Done():
				return io.EOF
			}
		}
		clear(ready)
	}
}

// deliver puts messages into the pipe, as many as it takes, and returns how many. room is
// nil if it took all of them; otherwise it is closed when there is room.
func (p *pipe) deliver(items []item) (n int, room <-chan struct{}) {
	s := p.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conflate && len(items) > 0 {
		if p.in.len() > 0 {
			*p.in.at(0) = items[len(items)-1]
			return len(items), nil
		}
		n = len(items) - 1
	}
	for n < len(items) && (s.recvMark == 0 || p.in.len() < s.recvMark) {
		p.deliverLocked(items[n])
		n++
	}
	if n > 0 {
		s.signalMessageLocked()
	}
	if n < len(items) {
		if p.full == nil {
			p.full = make(chan struct{})
		}
		room = p.full
	}
	return n, room
}

func (p *pipe) deliverLocked(it item) {
	if p.in.push(it); p.in.len() == 1 {
		p.socket.active.push(p)
	}
}

// deactivateLocked takes a pipe without messages from those that have some.
func (s *socket) deactivateLocked(p *pipe) {
	for range s.active.len() {
		if other := s.active.pop(); other != p {
			s.active.push(other)
		}
	}
}

// takeLocked takes the oldest message.
func (p *pipe) takeLocked() item {
	it := p.in.pop()
	// Wait until half of the room is free, so that the reader fills it in one go.
	if p.full != nil && p.in.len() <= p.socket.recvMark/2 {
		close(p.full)
		p.full = nil
	}
	return it
}
