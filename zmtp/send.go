package zmtp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/curve"
)

// Send sends one message, whole, behind those that are queued. Its parts may be
// used again when Send returns, which it does when the operating system has taken
// the message, or when ctx is done. The error is then ctx's alone if the message was
// not taken, and ErrQueued as well if it was. Other errors say why the connection has
// ended.
//
// A message to or from a REQ or REP needs the empty part that ZMTP has there: without
// it the peer would drop the message, so that is an error.
func (c *Conn) Send(ctx context.Context, parts ...[]byte) error {
	return c.send(ctx, true, 0, parts)
}

// Queue is Send for those who have more to send: messages gather in a buffer
// of the connection, 128 KiB at most, which goes out when it is full, when Flush
// or Send is called, and with the next heartbeat. Each message is sealed at once;
// its parts may be used again when Queue returns. Who has nothing more to queue
// should Flush, or the last messages may wait for long.
func (c *Conn) Queue(ctx context.Context, parts ...[]byte) error {
	return c.send(ctx, false, 0, parts)
}

// Flush sends what is queued. It returns when the operating system has taken it, or
// with ErrQueued and ctx's error when ctx is done: it goes out all the same.
func (c *Conn) Flush(ctx context.Context) error {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if c.tx.err != nil {
		return c.tx.err
	}
	return c.flushLocked(ctx)
}

// Subscribe asks a PUB or XPUB for the messages that begin with topic.
// Subscriptions add up: each needs its own Unsubscribe (RFC 37, The
// Publish-Subscribe Pattern). The errors are those of Send.
func (c *Conn) Subscribe(ctx context.Context, topic []byte) error {
	return c.sendSubscription(ctx, cmdSubscribe, 1, topic)
}

// Unsubscribe undoes one Subscribe with the same topic. The errors are those of Send.
func (c *Conn) Unsubscribe(ctx context.Context, topic []byte) error {
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
	return c.send(ctx, true, flagCommand, [][]byte{append(appendName(nil, name), topic...)})
}

// delimiter says where messages have an empty part.
type delimiter int

const (
	noDelimiter    delimiter = iota
	innerDelimiter           // behind what a ROUTER has put before it
	firstDelimiter
)

// delimiterOf returns which messages a socket can send to another (RFC 28).
func delimiterOf(ours, theirs string) delimiter {
	switch {
	case ours == "REQ" || theirs == "REQ":
		return firstDelimiter
	case ours == "REP" || theirs == "REP":
		return innerDelimiter
	}
	return noDelimiter
}

// check returns an error for a message that the peer would drop.
func (d delimiter) check(parts [][]byte) error {
	at := 0
	switch d {
	case noDelimiter:
		return nil
	case innerDelimiter:
		at = slices.IndexFunc(parts, func(part []byte) bool { return len(part) == 0 })
	}
	if at < 0 || at >= len(parts)-1 || len(parts[at]) > 0 {
		return errors.New("zmtp: a message to or from a REQ or REP needs an empty part before its own parts")
	}
	return nil
}

// send takes a message for sending, and with flush waits until it is written.
func (c *Conn) send(ctx context.Context, flush bool, flags byte, parts [][]byte) error {
	if len(parts) == 0 {
		return errNoParts
	}
	if c.tx.delimiter != noDelimiter {
		if err := c.tx.delimiter.check(parts); err != nil {
			return err
		}
	}
	size := 0
	for _, part := range parts {
		size += longHeader + len(part) // or a few octets less
	}
	if c.tx.sealer != nil {
		size += len(parts) * curve.MessageOverhead
	}
	c.tx.mu.Lock()
	err := c.sendLocked(ctx, flush, flags, parts, size)
	c.tx.mu.Unlock()
	return err
}

// sendLocked is send of a message of at most that many octets, with its frames' headers.
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

// placeLocked waits until the buffer has room for a message.
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

// refusalLocked returns why no more messages are taken, if so.
func (c *Conn) refusalLocked(ctx context.Context) error {
	if c.tx.err != nil {
		return c.tx.err
	}
	if c.tx.closing {
		return c.closedError()
	}
	return ctx.Err()
}

// flushLocked returns when what has been taken for sending is written.
func (c *Conn) flushLocked(ctx context.Context) error {
	if !c.busyLocked() {
		return nil
	}
	last := c.tx.taken // the buffer in which it is
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
			c.tx.urgent = true // it goes out without us
			c.startWriterLocked()
			return fmt.Errorf("zmtp: %w: %w", ErrQueued, err)
		}
	}
	return nil
}

// frameSize is the size of a frame on the wire.
func (c *Conn) frameSize(payload int) int {
	if c.tx.sealer != nil {
		payload += curve.MessageOverhead
	}
	if payload > maxShort {
		return longHeader + payload
	}
	return shortHeader + payload
}

// appendFrame appends a frame. With CURVE the flags go into the box, where COMMAND is
// another bit.
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
