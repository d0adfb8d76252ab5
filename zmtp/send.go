package zmtp

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/curve"
)

// Send sends one whole message, after those that are queued. It returns when the operating
// system has the message, or when ctx is done; the caller may then reuse parts. If ctx is
// done, the error is that of ctx, and matches ErrQueued too if the message will still be
// sent. Other errors report why the connection ended.
//
// A message to or from a REQ or REP needs ZMTP's empty part. Send returns an error for one
// without it, because the peer would drop it.
func (c *Conn) Send(ctx context.Context, parts ...[]byte) error {
	return c.send(ctx, true, 0, parts)
}

// Queue is like Send, but does not send at once: it seals the message into a buffer, which
// is sent when it is full (128 KiB), when Flush or Send is called, or with the next
// heartbeat. Call Flush when there is nothing more to queue. The caller may reuse parts
// when Queue returns.
func (c *Conn) Queue(ctx context.Context, parts ...[]byte) error {
	return c.send(ctx, false, 0, parts)
}

// Flush sends the queued messages. It returns when the operating system has them, or when
// ctx is done. The messages are sent in that case too, and the error matches ErrQueued and
// ctx's error.
func (c *Conn) Flush(ctx context.Context) error {
	if c.isZero() {
		return c.closedError()
	}
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if c.tx.err != nil {
		return c.tx.err
	}
	return c.flushLocked(ctx)
}

// Subscribe asks a PUB or XPUB for the messages that begin with topic. Subscriptions add
// up: each needs its own Unsubscribe (RFC 37, The Publish-Subscribe Pattern). The errors
// are those of Send.
func (c *Conn) Subscribe(ctx context.Context, topic []byte) error {
	return c.sendSubscription(ctx, cmdSubscribe, 1, topic)
}

// Unsubscribe undoes one Subscribe with the same topic. The errors are those of Send.
func (c *Conn) Unsubscribe(ctx context.Context, topic []byte) error {
	return c.sendSubscription(ctx, cmdCancel, 0, topic)
}

// sendSubscription sends a command to a peer that speaks ZMTP 3.1, and the equivalent
// message to one that speaks 3.0.
func (c *Conn) sendSubscription(ctx context.Context, name string, first byte, topic []byte) error {
	if c.isZero() {
		return c.closedError()
	}
	if c.cfg.SocketType != "SUB" && c.cfg.SocketType != "XSUB" {
		return &reason{errConfig, "zmtp: a " + c.cfg.SocketType + " cannot subscribe"}
	}
	if c.minor == 0 {
		return c.Send(ctx, append([]byte{first}, topic...))
	}
	return c.send(ctx, true, flagCommand, [][]byte{append(appendName(nil, name), topic...)})
}

// send accepts a message for sending. With flush it waits until the message is written.
func (c *Conn) send(ctx context.Context, flush bool, flags byte, parts [][]byte) error {
	if c.isZero() {
		return c.closedError()
	}
	if len(parts) == 0 {
		return errNoParts
	}
	if !c.tx.delimiter.In(parts) {
		return errDelimiter
	}
	size := 0
	for _, part := range parts {
		size += longHeader + len(part) // or a few bytes less
	}
	if c.tx.sealer != nil {
		size += len(parts) * curve.MessageOverhead
	}
	c.tx.mu.Lock()
	err := c.sendLocked(ctx, flush, flags, parts, size)
	c.tx.mu.Unlock()
	return err
}

// sendLocked is send with tx.mu held. size is at least the message's size on the wire.
func (c *Conn) sendLocked(ctx context.Context, flush bool, flags byte, parts [][]byte, size int) error {
	if size > writeSize {
		return c.sendLargeLocked(ctx, flags, parts)
	}
	if err := c.placeLocked(ctx, size); err != nil {
		return err
	}
	need := c.tx.queued + size
	if c.tx.buf == nil || need > len(c.tx.buf.octets) {
		c.tx.buf = withRoom(c.tx.buf, c.tx.queued, max(need, c.tx.most))
	}
	out := c.tx.buf.octets[:c.tx.queued]
	for i, part := range parts {
		now := flags
		if i < len(parts)-1 {
			now |= flagMore
		}
		var err error
		if out, err = c.appendFrame(out, now, part); err != nil {
			return c.failLocked(err)
		}
	}
	c.tx.queued = len(out)
	if flush {
		return c.flushLocked(ctx)
	}
	return nil
}

// placeLocked waits until the buffer has room for size more bytes.
func (c *Conn) placeLocked(ctx context.Context, size int) error {
	for {
		err := c.refusalLocked(ctx)
		switch {
		case err != nil:
		case !c.tx.exclusive && c.tx.queued+size <= writeSize:
			return nil
		case c.tx.exclusive || c.tx.writing:
			err = c.waitLocked(ctx)
		default:
			err = c.writeQueuedLocked(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// refusalLocked returns why no more messages are accepted, or nil.
func (c *Conn) refusalLocked(ctx context.Context) error {
	if c.tx.err != nil {
		return c.tx.err
	}
	if c.tx.closing {
		return c.closedError()
	}
	return ctx.Err()
}

// flushLocked waits until all accepted messages are written.
func (c *Conn) flushLocked(ctx context.Context) error {
	if !c.busyLocked() {
		return nil
	}
	last := c.tx.taken // the number of the last buffer
	if c.tx.queued > 0 {
		last++
	}
	for c.tx.done < last {
		if c.tx.err != nil {
			return c.tx.err
		}
		var err error
		if c.tx.writing {
			err = c.waitLocked(ctx)
		} else {
			err = c.writeQueuedLocked(ctx)
		}
		if err != nil && c.tx.err == nil {
			c.tx.urgent = true // the writer sends it without this caller
			c.startWriterLocked()
			return fmt.Errorf("zmtp: %w: %w", ErrQueued, err)
		}
	}
	return nil
}

// frameSize returns the size of a frame on the wire.
func (c *Conn) frameSize(payload int) int {
	if c.tx.sealer != nil {
		payload += curve.MessageOverhead
	}
	if payload > maxShort {
		return longHeader + payload
	}
	return shortHeader + payload
}

// appendFrame appends a frame. With CURVE the flags travel in the box, where COMMAND is a
// different bit.
func (c *Conn) appendFrame(dst []byte, flags byte, payload []byte) ([]byte, error) {
	if c.tx.sealer == nil {
		return append(appendFrameHeader(dst, flags, len(payload)), payload...), nil
	}
	inner := byte(0)
	if flags&flagMore != 0 {
		inner |= curve.FlagMore
	}
	if flags&flagCommand != 0 {
		inner |= curve.FlagCommand
	}
	return c.tx.sealer.Seal(appendFrameHeader(dst, 0, curve.MessageOverhead+len(payload)), inner, payload)
}
