package zmtp

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
)

// txState is what is to be sent. Of all who want to write, one does at a time, and has
// writing set: a caller whose octets it writes, or a goroutine of the connection if
// nobody waits for them. mu is held to take a message for sending, which may have to be
// sealed, but not while anything is written or waited for.
type txState struct {
	mu        sync.Mutex
	delimiter delimiter
	sealer    *curve.Sealer // nil without CURVE
	buf       *buffer       // with whole messages; nil if there are none
	queued    int           // octets in buf
	most      int           // the most octets that were in buf, up to writeSize
	urgent    bool          // buf goes out though nobody waits for it
	taken     uint64        // how many buffers and large messages have been taken to be written
	done      uint64        // and are written
	writing   bool          // somebody writes
	carrying  bool          // and has messages among what it writes, not only heartbeats
	sent      int64         // octets that had been written, as in pulse, when the last message was
	exclusive bool          // a large message is taken: no other until it is written
	ping      bool          // a PING is due
	pong      []byte        // what the PONG that is due echoes; nil if none is due
	interrupt interrupter   // of the one who writes
	whole     bool          // what is being written mustn't be interrupted, or it can't go on
	changed   chan struct{} // closed at the next change of all this; nil if nobody waits
	closing   bool          // no more messages are taken
	err       error         // what ended the connection
	lost      bool          // and took what was to be sent with it
}

// writeSize is how many octets gather before they are written.
const writeSize = 128 << 10

// wholeSize is how many octets are written at a time that mustn't be interrupted.
const wholeSize = 16 << 10

// waitLocked waits until something has changed.
func (c *Conn) waitLocked(ctx context.Context) error {
	if c.tx.changed == nil {
		c.tx.changed = make(chan struct{})
	}
	changed := c.tx.changed
	c.tx.mu.Unlock()
	defer c.tx.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// broadcastLocked wakes those who wait.
func (c *Conn) broadcastLocked() {
	if c.tx.changed != nil {
		close(c.tx.changed)
		c.tx.changed = nil
	}
}

// outgoing is what one has taken to write.
type outgoing struct {
	buf  *buffer
	r, w int           // still to be written: buf.octets[r:w]
	ping bool          // there is a PING in it
	at   time.Duration // when it was taken, as in pulse, if there is
}

// takeLocked takes what is in the buffer, and the heartbeats that are due, for the one
// who writes.
func (c *Conn) takeLocked() outgoing {
	c.tx.most = max(c.tx.most, c.tx.queued)
	c.tx.carrying = c.tx.queued > 0
	ping := c.appendHeartbeatsLocked()
	out := outgoing{buf: c.tx.buf, w: c.tx.queued, ping: ping}
	if ping {
		out.at = c.pulse.now()
	}
	c.tx.buf, c.tx.queued, c.tx.urgent = nil, 0, false
	c.tx.taken++
	c.tx.writing = true
	return out
}

// writeQueuedLocked writes what is in the buffer, if nobody else is writing, or begins
// to. If ctx is done before, the rest goes out without the caller; the error is then ctx's.
func (c *Conn) writeQueuedLocked(ctx context.Context) error {
	out := c.takeLocked()
	if c.tx.whole {
		c.writeAloneLocked(out) // for which the caller can wait
		return nil
	}
	c.tx.mu.Unlock()
	n, err := c.write(ctx, out.buf.octets[:out.w])
	c.tx.mu.Lock()
	if err != nil && err == ctx.Err() && c.tx.err == nil {
		out.r = n
		c.writeAloneLocked(out)
		return err
	}
	return c.writtenLocked(out, err)
}

// startWriterLocked writes in a goroutine of its own what is due, if anything is and
// nobody writes.
func (c *Conn) startWriterLocked() {
	due := c.tx.ping || c.tx.pong != nil || c.tx.queued > 0 && (c.tx.urgent || c.tx.closing)
	if due && !c.tx.writing && c.tx.err == nil {
		c.writeAloneLocked(c.takeLocked())
	}
}

// writeAloneLocked writes in a goroutine of its own what has been taken.
func (c *Conn) writeAloneLocked(out outgoing) {
	c.background.Go(func() {
		_, err := c.write(context.Background(), out.buf.octets[out.r:out.w])
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		c.writtenLocked(out, err)
	})
}

// writtenLocked ends the writing of what has been taken.
func (c *Conn) writtenLocked(out outgoing, err error) error {
	putBuffer(out.buf)
	if err == nil && out.ping {
		c.pingWrittenLocked(out.at)
	}
	return c.endWritingLocked(err)
}

// endWritingLocked lets others write; after an error nobody any more.
func (c *Conn) endWritingLocked(err error) error {
	if err != nil {
		err = c.failLocked(err)
	}
	if err == nil {
		c.tx.done++
	}
	if c.tx.carrying {
		c.tx.sent = c.pulse.written.Load()
		c.tx.lost = c.tx.lost || err != nil
	}
	c.tx.writing, c.tx.carrying = false, false
	c.startWriterLocked()
	c.broadcastLocked()
	return err
}

// write writes octets, unless ctx is done before, and returns how many it has written.
// It is for the one who writes.
func (c *Conn) write(ctx context.Context, octets []byte) (n int, err error) {
	late := false
	for n < len(octets) {
		now := octets[n:]
		if c.tx.whole {
			now = now[:min(len(now), wholeSize)]
		}
		number := c.pulse.beginWrite()
		c.tx.interrupt.begin(ctx)
		m, err := c.nc.Write(now)
		c.tx.interrupt.end()
		c.pulse.endWrite(m)
		n += m
		switch {
		case err == nil:
		case !isTimeout(err):
			return n, err
		case ctx.Err() != nil:
			return n, ctx.Err()
		case c.pulse.stalled.Load() == number && (m == 0 || c.tx.whole):
			return n, ErrHeartbeat
		case c.pulse.stalled.Load() == number:
			c.nc.SetWriteDeadline(time.Time{})
			c.watchWrite(number + 2)
		case late && m == 0:
			return n, fmt.Errorf("the %T doesn't go on after an interrupted write: %w", c.nc, err)
		default: // interrupted too late, when another was under way
			c.nc.SetWriteDeadline(time.Time{})
			late = m == 0
		}
	}
	return n, nil
}

// fail ends the connection, unless it has ended, and returns why it has.
func (c *Conn) fail(err error) error {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	return c.failLocked(err)
}

// failLocked is fail with tx.mu held.
func (c *Conn) failLocked(err error) error {
	// What the peer sent before it closed the connection can still be received; the
	// one who receives finds the end. After Close that is Close.
	if !peerClosed(err) && !c.tx.closing {
		c.hangUp()
	}
	if c.tx.err == nil {
		c.tx.lost = c.tx.queued > 0
		switch {
		case c.tx.closing:
			err = net.ErrClosed
		case err == io.EOF:
			err = fmt.Errorf("the peer has closed the connection: %w", err)
		}
		c.tx.err = fmt.Errorf("zmtp: %s: %w", peerName(c.nc), err)
		c.broadcastLocked()
	}
	return c.tx.err
}
