package zmtp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/zcurve/zcurve/curve"
)

// txState belongs to the one who sends.
type txState struct {
	mu        sync.Mutex
	interrupt interrupter
	sealer    *curve.Sealer // nil without CURVE
	buf       *buffer       // with frames on their way out; nil if there are none
	queued    int           // octets in buf
	most      int           // the most octets that were in buf, up to writeSize
	err       error         // what ended the sending

	pong atomic.Pointer[[]byte] // context of a PONG that is due; nil if none is
}

// writeSize is how many octets gather before they are written.
const writeSize = 128 << 10

// ErrNoParts means that a message to be sent has no parts.
var ErrNoParts = errors.New("zmtp: message without parts")

// Send sends one message, whole, behind those that are queued. Its parts may be
// used again when Send returns. Send returns once the operating system has taken
// the message; if ctx is done before that, the connection is closed, since a part
// of the message may have gone out.
func (c *Conn) Send(ctx context.Context, parts ...[]byte) error {
	return c.send(ctx, true, parts)
}

// Queue is Send for those who have more to send: messages gather in a buffer
// of the connection, 128 KiB at most, which goes out when it is full, when Flush
// or Send is called, and with the next heartbeat. Each message is sealed at once;
// its parts may be used again when Queue returns. Who has nothing more to queue
// should Flush, or the last messages may wait for long.
func (c *Conn) Queue(ctx context.Context, parts ...[]byte) error {
	return c.send(ctx, false, parts)
}

func (c *Conn) send(ctx context.Context, flush bool, parts [][]byte) error {
	if len(parts) == 0 {
		return ErrNoParts
	}
	c.tx.mu.Lock()
	err := c.sendLocked(ctx, flush, parts)
	c.tx.mu.Unlock()
	if err != nil {
		return err
	}
	return c.flushPong()
}

// sendLocked puts the frames of a message into the buffer, and writes it when it
// is full or flush says so.
func (c *Conn) sendLocked(ctx context.Context, flush bool, parts [][]byte) error {
	if c.tx.err != nil {
		return c.tx.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, part := range parts {
		flags := byte(0)
		if i < len(parts)-1 {
			flags = flagMore
		}
		if err := c.appendFrameLocked(ctx, flags, part); err != nil {
			return err
		}
	}
	if flush {
		return c.flushLocked(ctx)
	}
	return nil
}

// Flush sends what is queued. It returns once the operating system has taken
// it; if ctx is done before that, the connection is closed.
func (c *Conn) Flush(ctx context.Context) error {
	c.tx.mu.Lock()
	err := c.tx.err
	if err == nil {
		err = c.flushLocked(ctx)
	}
	c.tx.mu.Unlock()
	if err != nil {
		return err
	}
	return c.flushPong()
}

// appendFrameLocked puts a frame into the buffer, which it writes before if the
// frame has no room there, and after if it is larger than a buffer should be.
// With CURVE the flags go into the box, where COMMAND is another bit.
func (c *Conn) appendFrameLocked(ctx context.Context, flags byte, payload []byte) error {
	size := len(payload)
	if c.tx.sealer != nil {
		size += curve.MessageOverhead
	}
	if c.tx.queued > 0 && c.tx.queued+longHeader+size > writeSize {
		if err := c.writeQueuedLocked(ctx); err != nil {
			return err
		}
	}
	if c.tx.sealer == nil && size > writeSize {
		c.makeRoomLocked(longHeader)
		c.tx.queued = len(appendFrameHeader(c.tx.buf.octets[:c.tx.queued], flags, size))
		if err := c.flushLocked(ctx); err != nil {
			return err
		}
		return c.writeLocked(ctx, payload) // from where it is
	}
	c.makeRoomLocked(longHeader + size)
	out := c.tx.buf.octets[:c.tx.queued]
	if c.tx.sealer == nil {
		out = append(appendFrameHeader(out, flags, size), payload...)
	} else {
		inner := byte(0)
		if flags&flagMore != 0 {
			inner |= curve.FlagMore
		}
		if flags&flagCommand != 0 {
			inner |= curve.FlagCommand
		}
		var err error
		if out, err = c.tx.sealer.Seal(appendFrameHeader(out, 0, size), inner, payload); err != nil {
			return c.failSendLocked(ctx, err)
		}
	}
	c.tx.queued = len(out)
	if c.tx.queued > writeSize {
		return c.flushLocked(ctx)
	}
	return nil
}

// makeRoomLocked sees to it that the buffer has room for n octets more.
func (c *Conn) makeRoomLocked(n int) {
	need := c.tx.queued + n
	if c.tx.buf == nil {
		c.tx.buf = getBuffer(max(need, c.tx.most))
		return
	}
	if need > len(c.tx.buf.octets) {
		larger := getBuffer(need)
		copy(larger.octets, c.tx.buf.octets[:c.tx.queued])
		putBuffer(c.tx.buf)
		c.tx.buf = larger
	}
}

// flushLocked writes the buffer and gives it back.
func (c *Conn) flushLocked(ctx context.Context) error {
	if c.tx.buf == nil {
		return nil
	}
	err := c.writeQueuedLocked(ctx)
	putBuffer(c.tx.buf)
	c.tx.buf = nil
	return err
}

// writeQueuedLocked writes what is queued.
func (c *Conn) writeQueuedLocked(ctx context.Context) error {
	queued := c.tx.buf.octets[:c.tx.queued]
	c.tx.most = max(c.tx.most, min(len(queued), writeSize))
	c.tx.queued = 0
	return c.writeLocked(ctx, queued)
}

// writeLocked writes octets, unless ctx is done before.
func (c *Conn) writeLocked(ctx context.Context, octets []byte) error {
	c.tx.interrupt.begin(ctx)
	_, err := c.nc.Write(octets)
	c.tx.interrupt.end()
	if err != nil {
		return c.failSendLocked(ctx, err)
	}
	return nil
}

// failSendLocked ends the connection: the peer may have half a message.
func (c *Conn) failSendLocked(ctx context.Context, err error) error {
	if isTimeout(err) && ctx.Err() != nil {
		c.tx.err = fmt.Errorf("zmtp: %s: connection closed in the middle of a message: %w", peerName(c.nc), ctx.Err())
		c.nc.Close()
		return c.tx.err
	}
	c.tx.err = c.fail(err)
	return c.tx.err
}

// sendCommandLocked writes one command, and what is queued before it.
func (c *Conn) sendCommandLocked(ctx context.Context, name string, data []byte) error {
	if c.tx.err != nil {
		return c.tx.err
	}
	if err := c.appendFrameLocked(ctx, flagCommand, append(appendName(nil, name), data...)); err != nil {
		return err
	}
	return c.flushLocked(ctx)
}

// Subscribe asks a PUB or XPUB for the messages that begin with topic.
// Subscriptions add up: each needs its own Cancel (RFC 37, The
// Publish-Subscribe Pattern).
func (c *Conn) Subscribe(ctx context.Context, topic []byte) error {
	return c.sendSubscription(ctx, cmdSubscribe, 1, topic)
}

// Cancel takes one Subscribe of the same topic back.
func (c *Conn) Cancel(ctx context.Context, topic []byte) error {
	return c.sendSubscription(ctx, cmdCancel, 0, topic)
}

// sendSubscription sends a command to a peer of ZMTP 3.1, and the message that
// means the same to one of 3.0.
func (c *Conn) sendSubscription(ctx context.Context, name string, first byte, topic []byte) error {
	if c.cfg.SocketType != "SUB" && c.cfg.SocketType != "XSUB" {
		return fmt.Errorf("zmtp: a %s can't subscribe", c.cfg.SocketType)
	}
	if c.minor == 0 {
		return c.Send(ctx, append([]byte{first}, topic...))
	}
	c.tx.mu.Lock()
	err := ctx.Err()
	if err == nil {
		err = c.sendCommandLocked(ctx, name, topic)
	}
	c.tx.mu.Unlock()
	if err != nil {
		return err
	}
	return c.flushPong()
}
