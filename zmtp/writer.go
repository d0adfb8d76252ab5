package zmtp

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/sockettype"
)

// txState holds bytes that wait to be sent. One goroutine writes at a time, and writing is set: a
// caller of Send or Flush, or a goroutine of the connection if no caller waits. Callers hold
// mu while they accept a message, which includes sealing it, but not while they write or
// wait.
type txState struct {
	mu        sync.Mutex
	delimiter sockettype.Delimiter
	sealer    *curve.Sealer // nil without CURVE
	buf       *buffer       // of whole messages; nil if there are none
	queued    int           // bytes in buf
	most      int           // the most bytes that were in buf, up to writeSize
	urgent    bool          // write buf although no caller waits for it
	taken     uint64        // buffers and large messages that a writer has taken
	done      uint64        // those that are written
	writing   bool          // a goroutine writes
	carrying  bool          // it writes messages, not only heartbeats
	sent      int64         // pulse.written at the end of the last message
	exclusive bool          // a large message is being written: accept no other
	ping      bool          // send a PING
	pong      []byte        // send a PONG that echoes this; nil for none
	interrupt interrupter   // of the writer
	whole     bool          // an interrupted write breaks the net.Conn, as with TLS
	changed   chan struct{} // closed at the next change of these fields; nil if nobody waits
	closing   bool          // accept no more messages
	err       error         // why the connection ended
	lost      bool          // accepted messages were not written
}

// writeSize is how many bytes are gathered before they are written.
const writeSize = 128 << 10

// wholeSize is how many bytes are written at a time if a write must not be interrupted.
const wholeSize = 16 << 10

// waitLocked waits for a change of tx.
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

// broadcastLocked wakes everyone in waitLocked.
func (c *Conn) broadcastLocked() {
	if c.tx.changed != nil {
		close(c.tx.changed)
		c.tx.changed = nil
	}
}

// outgoing holds the bytes that a writer has taken.
type outgoing struct {
	buf  *buffer
	r, w int           // not yet written, in buf
	ping bool          // it contains a PING
	at   time.Duration // if so, the pulse's time when it was taken
}

// takeLocked takes the buffer and pending heartbeats for a writer.
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

// writeQueuedLocked writes the buffer, or starts a goroutine that does. If ctx is done first,
// it returns ctx's error, and a goroutine writes the rest. No one else may be writing.
func (c *Conn) writeQueuedLocked(ctx context.Context) error {
	out := c.takeLocked()
	if c.tx.whole {
		c.writeAloneLocked(out) // the caller can wait for it, but not interrupt it
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

// startWriterLocked starts a goroutine that writes what is pending, unless one is writing.
func (c *Conn) startWriterLocked() {
	due := c.tx.ping || c.tx.pong != nil || c.tx.queued > 0 && (c.tx.urgent || c.tx.closing)
	if due && !c.tx.writing && c.tx.err == nil {
		c.writeAloneLocked(c.takeLocked())
	}
}

// writeAloneLocked writes out in its own goroutine.
func (c *Conn) writeAloneLocked(out outgoing) {
	c.background.Go(func() {
		_, err := c.write(context.Background(), out.buf.octets[out.r:out.w])
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		c.writtenLocked(out, err)
	})
}

// writtenLocked ends the writing of out.
func (c *Conn) writtenLocked(out outgoing, err error) error {
	putBuffer(out.buf)
	if err == nil && out.ping {
		c.pingWrittenLocked(out.at)
	}
	return c.endWritingLocked(err)
}

// endWritingLocked lets others write, unless err has ended the connection.
func (c *Conn) endWritingLocked(err error) error {
	if err != nil {
		if c.stay != nil {
			c.stay.torn = true
		}
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

// write writes until ctx is done, and returns how many bytes it has written. Only the
// writer calls it.
func (c *Conn) write(ctx context.Context, octets []byte) (n int, err error) {
	late := false
	for n < len(octets) {
		if err := c.removed(); err != nil { // look again each time after a deadline was reset
			return n, err
		}
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
			return n, fmt.Errorf("the %T does not continue after an interrupted write: %w", c.nc, err)
		default: // an interruption of an earlier write came too late
			c.nc.SetWriteDeadline(time.Time{})
			late = m == 0
		}
	}
	return n, nil
}

// fail ends the connection, if it has not ended before, and returns why it ended.
func (c *Conn) fail(err error) error {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	return c.failLocked(err)
}

// failLocked is fail with tx.mu held.
func (c *Conn) failLocked(err error) error {
	// If the peer closed the connection, what it sent before can still be received, and
	// the receiver finds the end. After Close, Close hangs up.
	if !peerClosed(err) && !c.tx.closing {
		c.hangUp()
	}
	if c.tx.err == nil {
		c.tx.lost = c.tx.queued > 0
		switch {
		case c.tx.closing:
			err = net.ErrClosed
		case err == io.EOF:
			err = fmt.Errorf("the peer closed the connection: %w", err)
		}
		c.tx.err = fmt.Errorf("zmtp: %s: %w", peerName(c.nc), err)
		c.broadcastLocked()
	}
	return c.tx.err
}
