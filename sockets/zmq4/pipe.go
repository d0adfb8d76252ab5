package zmq4

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/zcurve/zcurve/zmtp"
)

// pipe holds the messages to and from one peer. The pipe of a peer that was dialed outlives
// its connections, with what waits to be sent. socket.mu guards it.
type pipe struct {
	socket   *socket
	endpoint string
	peer     string // the network address, if the peer has dialed
	dialed   bool

	conn    link       // nil while there is no connection
	from    *zmtp.User // nil if nobody has been proved
	theirs  SocketType
	out     ring[record]
	drops   int  // how often out was emptied
	taken   int  // messages of out that are being written
	writing bool // a goroutine runs write
	run     func()

	in   ring[item]
	full chan struct{} // closed when in has room again; nil if nobody waits

	id     string          // of the peer, on a ROUTER
	asked  int             // how many replies a REQ awaits
	topics map[string]int  // of the peer, on a publisher: how often it has subscribed to each
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

// hasRoomLocked reports whether one more message can be queued.
func (p *pipe) hasRoomLocked() bool {
	mark := p.socket.sendMark
	return mark == 0 || p.socket.conflate || p.out.len() < mark
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

// startLocked starts a goroutine that writes, unless there is one.
func (p *pipe) startLocked() {
	if p.conn == nil || p.writing || p.out.len() == 0 {
		return
	}
	p.writing = true
	if p.run == nil { // once, as it allocates
		p.run = func() {
			defer p.socket.background.Done()
			w := writers.Get().(*writer)
			p.write(w)
			w.forget()
			writers.Put(w)
		}
	}
	p.socket.background.Add(1)
	go p.run()
}

// dropLocked drops what waits to be sent.
func (p *pipe) dropLocked() {
	for p.out.len() > 0 {
		p.out.pop().chunk.release()
	}
	p.drops++
	p.taken = 0
}

// cutLocked ends the connection, if there is one. Its read then returns.
func (p *pipe) cutLocked() {
	if c := p.conn; c != nil {
		p.socket.background.Go(func() { c.CloseNow() })
	}
}

// writeBatch is how many messages are taken from a pipe at a time.
const writeBatch = 64

// writer holds what write works on. On the stack, it would make the stack of each new
// goroutine grow.
type writer struct {
	batch  [writeBatch]record
	frames [][]byte
}

var writers = sync.Pool{New: func() any { return &writer{frames: make([][]byte, 0, writeFrames)} }}

// writeFrames is how many frames of a message a writer keeps room for.
const writeFrames = 16

// forget drops all references to messages.
func (w *writer) forget() {
	if w.frames = w.frames[:0]; cap(w.frames) > writeFrames {
		w.frames = make([][]byte, 0, writeFrames)
	}
	clear(w.frames[:cap(w.frames)])
}

// write writes what waits to be sent, until nothing does or the connection has ended.
func (p *pipe) write(w *writer) {
	s := p.socket
	batch := &w.batch
	n, written, drops, isFlushed := 0, 0, 0, true
	var err error
	s.mu.Lock()
	c, theirs := p.conn, p.theirs
	for {
		for i := range n {
			batch[i].chunk.release()
			batch[i] = record{}
		}
		if written > 0 && p.drops == drops {
			for range written {
				p.out.pop().chunk.release()
			}
			// Wait until half of the room is free, so that senders fill it in one go.
			if p.out.len() <= s.sendMark/2 {
				s.signalRoomLocked()
			}
		}
		drops = p.drops
		if err != nil && p.conn == c {
			p.conn = nil // read finds out why
		}
		n = 0
		if c != nil && p.conn == c {
			for ; n < min(p.out.len(), writeBatch); n++ {
				batch[n] = *p.out.at(n)
				batch[n].chunk.users++
			}
		}
		p.taken = n
		if p.conn != c || n == 0 && isFlushed {
			p.writing = false
			if r, ok := s.pattern.(*request); ok && p.conn != c {
				r.lostLocked(p)
			}
			p.startLocked() // there may be a new connection
			s.signalRoomLocked()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		written = 0
		if n == 0 {
			err = c.Flush(context.Background())
			isFlushed = true
		}
		for _, r := range batch[:n] {
			w.frames = r.appendFrames(w.frames[:0])
			if err = s.transmit(c, theirs, w.frames); err != nil {
				break
			}
			written++
			isFlushed = false
		}
		if err != nil {
			c.CloseNow()
		}
		s.mu.Lock()
	}
}

// transmit queues a message at the connection. It drops one that the peer would drop.
func (s *socket) transmit(c link, theirs SocketType, frames [][]byte) error {
	ctx := context.Background()
	switch {
	case s.subscribes() && isSubscription(frames) && frames[0][0] == 1:
		return c.Subscribe(ctx, frames[0][1:])
	case s.subscribes() && isSubscription(frames):
		return c.Unsubscribe(ctx, frames[0][1:])
	case (s.typ == Router || s.typ == Rep) && theirs == Req && !isReply(frames):
		return nil
	case (s.typ == Dealer || s.typ == Router) && theirs == Rep && !hasDelimiter(frames):
		return nil
	}
	return c.Queue(ctx, frames...)
}

// isReply reports whether a REQ takes the message: an empty frame is first, or behind the
// number of a request.
func isReply(frames [][]byte) bool {
	at := 0
	if len(frames[0]) == 4 {
		at = 1
	}
	return len(frames) > at+1 && len(frames[at]) == 0
}

// hasDelimiter reports whether an empty frame has others behind it.
func hasDelimiter(frames [][]byte) bool {
	at := slices.IndexFunc(frames, func(frame []byte) bool { return len(frame) == 0 })
	return at >= 0 && at < len(frames)-1
}

// read receives until the connection ends, and returns why it did.
func (p *pipe) read(ctx context.Context, c link) error {
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
