package zmtp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zcurve/zcurve/curve"
)

// txState belongs to the one who sends.
type txState struct {
	mu      sync.Mutex
	session *curve.Session // nil without CURVE
	buf     []byte         // frames on their way out
	err     error          // what ended the sending

	pongMu sync.Mutex
	pong   []byte // context of a PONG that is due; nil if none is
}

// flushSize is how much a message may gather in the buffer before a part of it
// is written, and the largest buffer that is kept.
const flushSize = 64 << 10

// ErrNoParts means that a message to be sent has no parts.
var ErrNoParts = errors.New("zmtp: message without parts")

// Send sends one message, whole. Its parts may be used again when Send
// returns. Send returns once the operating system has taken the message; if
// ctx is done before that, the connection is closed, since a part of the
// message may have gone out.
func (c *Conn) Send(ctx context.Context, parts ...[]byte) error {
	if len(parts) == 0 {
		return ErrNoParts
	}
	c.tx.mu.Lock()
	err := c.sendLocked(ctx, parts)
	c.tx.mu.Unlock()
	if err != nil {
		return err
	}
	return c.flushPong()
}

// sendLocked writes the frames of a message.
func (c *Conn) sendLocked(ctx context.Context, parts [][]byte) error {
	if c.tx.err != nil {
		return c.tx.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer onDone(ctx, c.nc.SetWriteDeadline)()
	for i, part := range parts {
		flags := byte(0)
		if i < len(parts)-1 {
			flags = flagMore
		}
		if err := c.appendFrameLocked(flags, part); err != nil {
			return c.failSendLocked(ctx, err)
		}
		if len(c.tx.buf) < flushSize && i < len(parts)-1 {
			continue
		}
		if err := c.flushLocked(); err != nil {
			return c.failSendLocked(ctx, err)
		}
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

// appendFrameLocked puts a frame into the buffer. With CURVE the flags go into
// the box, where COMMAND is another bit.
func (c *Conn) appendFrameLocked(flags byte, payload []byte) error {
	if c.tx.session == nil {
		c.tx.buf = appendFrameHeader(c.tx.buf, flags, len(payload))
		c.tx.buf = append(c.tx.buf, payload...)
		return nil
	}
	inner := byte(0)
	if flags&flagMore != 0 {
		inner |= curve.FlagMore
	}
	if flags&flagCommand != 0 {
		inner |= curve.FlagCommand
	}
	c.tx.buf = appendFrameHeader(c.tx.buf, 0, len(payload)+curve.MessageOverhead)
	var err error
	c.tx.buf, err = c.tx.session.Seal(c.tx.buf, inner, payload)
	return err
}

// flushLocked writes the buffer.
func (c *Conn) flushLocked() error {
	_, err := c.nc.Write(c.tx.buf)
	c.tx.buf = c.tx.buf[:0]
	if cap(c.tx.buf) > flushSize {
		c.tx.buf = nil
	}
	return err
}

// sendCommandLocked writes one command.
func (c *Conn) sendCommandLocked(name string, data []byte) error {
	if c.tx.err != nil {
		return c.tx.err
	}
	err := c.appendFrameLocked(flagCommand, append(appendName(nil, name), data...))
	if err == nil {
		err = c.flushLocked()
	}
	if err != nil {
		c.tx.err = c.fail(err)
	}
	return c.tx.err
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
		release := onDone(ctx, c.nc.SetWriteDeadline)
		err = c.sendCommandLocked(name, topic)
		release()
	}
	c.tx.mu.Unlock()
	if err != nil {
		return err
	}
	return c.flushPong()
}
