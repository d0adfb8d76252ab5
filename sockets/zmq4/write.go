package zmq4

import (
	"context"
	"sync"

	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/zmtp"
)

// startLocked lets a goroutine write, unless one does.
func (p *pipe) startLocked() {
	if p.conn == nil || p.broken || p.writing || p.out.len() == 0 {
		return
	}
	p.writing = true
	s := p.socket
	select {
	case s.work <- p:
		s.idleWriters--
	default:
		s.background.Add(1)
		go s.write(p)
	}
}

// maxIdleWriters is how many goroutines of a socket wait for something to write. To start one
// and let its stack grow takes longer than to write a small message.
const maxIdleWriters = 32

// write writes what a pipe has, and then what others have.
func (s *socket) write(p *pipe) {
	defer s.background.Done()
	w := writers.Get().(*writer)
	for p != nil {
		p.write(w)
		w.forget()
		p = s.nextPipe()
	}
	writers.Put(w)
}

// nextPipe waits for a pipe that has something to write. It returns nil if enough goroutines
// wait, or when the socket ends its connections.
func (s *socket) nextPipe() *pipe {
	s.mu.Lock()
	enough := s.idleWriters >= min(len(s.pipes), maxIdleWriters)
	if !enough {
		s.idleWriters++
	}
	s.mu.Unlock()
	if enough {
		return nil
	}
	select {
	case p := <-s.work:
		return p
	case <-s.conns.Done():
		return nil
	}
}

// writeBatch is how many messages are taken from a pipe at a time.
const writeBatch = 64

// writer holds what write works on.
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
		if err != nil && n > written && p.drops == drops {
			p.failedLocked(w.frames, written)
		}
		drops = p.drops
		if err != nil && p.conn == c {
			p.broken = true // read receives what has arrived, and finds out why
		}
		n = 0
		if c != nil && p.conn == c && !p.broken {
			for ; n < min(p.out.len(), writeBatch); n++ {
				batch[n] = *p.out.at(n)
				batch[n].chunk.users++
			}
		}
		p.taken = n
		if p.conn != c || p.broken || n == 0 && isFlushed {
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
		if _, ours := c.(*zmtp.Conn); err != nil && !ours {
			c.CloseNow() // a zmtp.Conn ends by itself, and is received from until then
		}
		s.mu.Lock()
	}
}

// maxFailures is how many connections may end while the same large message is written. A peer
// that has a lower limit would otherwise end each connection, for ever.
const (
	maxFailures  = 2
	largeMessage = 64 << 10
)

// failedLocked notes that writing the oldest message has failed, after some others were written,
// and drops it if it is large and that happens again.
func (p *pipe) failedLocked(frames [][]byte, written int) {
	size := 0
	for _, frame := range frames {
		size += len(frame)
	}
	if written > 0 || size < largeMessage {
		p.failures = 0
	}
	if size < largeMessage {
		return
	}
	if p.failures++; p.failures == maxFailures {
		p.failures = 0
		p.out.pop().chunk.release()
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
	case !sockettype.DelimiterOf(string(s.typ), string(theirs)).In(frames):
		return nil
	}
	return c.Queue(ctx, frames...)
}
