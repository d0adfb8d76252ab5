package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/curve"
)

// rxState belongs to the goroutine that receives: the one that has put a value into turn.
type rxState struct {
	turn      chan struct{} // of capacity 1
	interrupt interrupter
	frames    *frameReader
	opener    *curve.Opener // nil without CURVE
	parts     []span        // of an incomplete message
	size      int           // bytes in parts
	between   int           // bytes of the commands between them
	ttl       time.Duration // a copy of pulse.ttl
	err       error         // why receiving ended
}

// Recv returns the next message, which belongs to the caller. When ctx is done, Recv
// returns ctx's error; nothing is lost, and Recv may be called again. Any other error ends
// the connection. io.EOF means that it ended between messages, usually because the peer
// closed it; see "What is not authenticated" in the package comment.
func (c *Conn) Recv(ctx context.Context) ([][]byte, error) {
	if err := c.lockReceive(ctx); err != nil {
		return nil, err
	}
	defer c.unlockReceive()
	for ctx.Err() == nil {
		message, err := c.nextLocked()
		if err != nil {
			return nil, c.failReceiveLocked(err)
		}
		if message != nil {
			if c.removed() != nil {
				return nil, c.failReceiveLocked(nil)
			}
			return CloneMessage(message), nil
		}
		if err := c.fillLocked(ctx); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

// lockReceive makes the caller the one that receives.
func (c *Conn) lockReceive(ctx context.Context) error {
	select {
	case c.rx.turn <- struct{}{}:
		return nil
	default:
	}
	if c.isZero() {
		return c.closedError()
	}
	select {
	case c.rx.turn <- struct{}{}:
		return nil
	case <-c.closing:
		if err := c.removed(); err != nil {
			return err
		}
		return c.closedError()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Conn) unlockReceive() { <-c.rx.turn }

// CloneMessage copies a message, such as one of RecvBatch that must outlive the next call.
// It allocates twice, however many parts the message has.
func CloneMessage(message [][]byte) [][]byte {
	size := 0
	for _, part := range message {
		size += len(part)
	}
	bytes := make([]byte, 0, size)
	clone := make([][]byte, len(message))
	for i, part := range message {
		begin := len(bytes)
		bytes = append(bytes, part...)
		clone[i] = bytes[begin:len(bytes):len(bytes)]
	}
	return clone
}

// RecvBatch returns all messages that have arrived, and waits for one if none has. It does
// not copy them: messages and parts are valid until the next call of RecvBatch or Recv,
// which reuses their memory. Use CloneMessage to keep one. RecvBatch allocates nothing for
// a message. Its errors are those of Recv. An error that follows good messages is returned
// by the next call.
func (c *Conn) RecvBatch(ctx context.Context) ([][][]byte, error) {
	if err := c.lockReceive(ctx); err != nil {
		return nil, err
	}
	defer c.unlockReceive()
	for ctx.Err() == nil {
		buf := c.rx.frames.buf
		buf.batch = buf.batch[:0]
		for {
			message, err := c.nextLocked()
			if err != nil {
				err = c.failReceiveLocked(err)
				if len(buf.batch) == 0 {
					return nil, err
				}
			}
			if message == nil {
				break
			}
			buf.batch = append(buf.batch, message)
		}
		if c.removed() != nil {
			return nil, c.failReceiveLocked(nil)
		}
		if len(buf.batch) > 0 {
			buf.lent = true
			return buf.batch, nil
		}
		if err := c.fillLocked(ctx); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

// fillLocked reads what has arrived, or waits for something to arrive, but no longer than
// ctx and the heartbeats allow.
func (c *Conn) fillLocked(ctx context.Context) error {
	for {
		// Closing and suspicion are signaled by a deadline. So check for both each time
		// after a deadline was reset, which may have been that signal.
		if c.removed() != nil { // first: a program whose Send fails because of it calls CloseNow
			return c.failReceiveLocked(nil)
		}
		if c.isClosing() {
			return c.closedError()
		}
		if c.pulse.suspect.Load() {
			if done, err := c.lookOnceMoreLocked(); done {
				return err
			}
			continue
		}
		c.rx.interrupt.begin(ctx)
		err := c.rx.frames.fill()
		c.rx.interrupt.end()
		switch {
		case err == nil:
			c.heardLocked()
			return nil
		case !isTimeout(err):
			return c.failReceiveLocked(err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		c.nc.SetReadDeadline(time.Time{}) // the interruption was not for ctx
	}
}

// lookOnceMoreLocked reads what a peer that seems silent may have sent after all, or ends
// the connection. done is false if the peer is not silent.
func (c *Conn) lookOnceMoreLocked() (done bool, err error) {
	look := min(lastLook+time.Duration(c.pulse.late.Load()), maxLastLook)
	c.nc.SetReadDeadline(time.Now().Add(look))
	err = c.rx.frames.fill()
	c.nc.SetReadDeadline(time.Time{})
	if isTimeout(err) && hasUnread(c.nc) { // the time was over before anything could be read
		err = c.rx.frames.fill()
	}
	switch {
	case err == nil:
		c.heardLocked()
		return true, nil
	case !isTimeout(err):
		return true, c.failReceiveLocked(err)
	case c.isSilent():
		return true, c.failReceiveLocked(ErrHeartbeat)
	}
	return false, nil
}

// failReceiveLocked ends the connection after err and returns the error of this and all
// later calls.
func (c *Conn) failReceiveLocked(err error) error {
	if removed := c.removed(); removed != nil { // hangs up itself
		c.rx.err = removed
		return removed
	}
	if c.rx.err == nil {
		c.rx.err = c.fail(err)
		if err == io.EOF && (errors.Is(c.rx.err, io.EOF) || errors.Is(c.rx.err, io.ErrClosedPipe) || errors.Is(c.rx.err, syscall.EPIPE)) {
			// A write may have noticed the end first. If it saw a reset, the peer did not
			// close the connection in good order.
			c.rx.err = io.EOF
		}
		c.hangUp()
		c.stay.leave()
	}
	return c.rx.err
}

// nextLocked returns the next message if it has arrived whole, and nil otherwise. It opens
// the message in place; the message is valid until the next fill.
func (c *Conn) nextLocked() (message [][]byte, err error) {
	if err := c.removed(); err != nil {
		return nil, err
	}
	if c.rx.err != nil {
		return nil, c.rx.err
	}
	for {
		flags, body, ok, err := c.takeFrameLocked()
		if err != nil || !ok {
			return nil, err
		}
		if flags&flagCommand != 0 {
			message, err := c.handleCommandLocked(body)
			if message != nil || err != nil {
				return message, err
			}
			continue
		}
		if len(c.rx.parts) >= c.cfg.MaxParts {
			return nil, fmt.Errorf("%w: more than %d", errParts, c.cfg.MaxParts)
		}
		c.rx.parts = append(c.rx.parts, body)
		c.rx.size += body.end - body.begin
		if flags&flagMore == 0 {
			message = c.viewLocked(c.rx.parts...)
			c.rx.parts, c.rx.size, c.rx.between = c.rx.parts[:0], 0, 0
			if cap(c.rx.parts) > keptParts {
				c.rx.parts = nil
			}
			c.releaseLocked()
			return message, nil
		}
	}
}

// keptParts is how many parts a connection keeps room for while nothing arrives.
const keptParts = 16

// minCommandLimit is how large a command may be, however small MaxMessageSize is.
const minCommandLimit = 64

// takeFrameLocked takes the next frame if it has arrived whole, and opens it. A part may be
// as large as the rest of MaxMessageSize. Commands between the parts of a message do not
// count.
func (c *Conn) takeFrameLocked() (flags byte, body span, ok bool, err error) {
	part, command := c.cfg.MaxMessageSize-c.rx.size, maxBetween
	if len(c.rx.parts) == 0 {
		command = max(c.cfg.MaxMessageSize, minCommandLimit)
	}
	if c.rx.opener == nil {
		return c.rx.frames.take(part, command)
	}
	// Only the opened box tells whether it is a part or a command.
	limit := curve.MessageOverhead + max(part, command)
	flags, body, ok, err = c.rx.frames.take(limit, limit)
	if err != nil || !ok {
		return 0, span{}, false, err
	}
	if flags, body, err = c.openLocked(flags, body); err != nil {
		return 0, span{}, false, err
	}
	limit = part
	if flags&flagCommand != 0 {
		limit = command
	}
	if size := body.end - body.begin; size > limit {
		return 0, span{}, false, fmt.Errorf("%w: frame of %d bytes, at most %d", errMessageSize, size, limit)
	}
	return flags, body, true, nil
}

// openLocked opens a CURVE message in place and returns its true flags and its payload.
func (c *Conn) openLocked(outer byte, body span) (flags byte, payload span, err error) {
	// The true flags are in the box. Anyone on the path can change those outside, so
	// they must be zero.
	if outer&(flagMore|flagCommand) != 0 {
		return 0, span{}, fmt.Errorf("%w: flags %#02x outside the box of a CURVE message", errFrame, outer)
	}
	message := c.rx.frames.at(body)
	payload = span{min(body.begin+curve.MessageOverhead, body.end), body.end}
	_, inner, err := c.rx.opener.Open(c.rx.frames.at(payload)[:0], message)
	if err != nil {
		return 0, span{}, fromCurve(err)
	}
	if inner&curve.FlagMore != 0 {
		flags |= flagMore
	}
	if inner&curve.FlagCommand != 0 {
		flags |= flagCommand
	}
	if flags == flagMore|flagCommand {
		return 0, span{}, fmt.Errorf("%w: a command with MORE", errFrame)
	}
	return flags, payload, nil
}

// viewLocked returns these parts of the buffer as a message.
func (c *Conn) viewLocked(parts ...span) [][]byte {
	buf := c.rx.frames.buf
	first := len(buf.parts)
	for _, part := range parts {
		buf.parts = append(buf.parts, c.rx.frames.at(part))
	}
	return buf.parts[first:len(buf.parts):len(buf.parts)]
}

// releaseLocked releases the frames taken so far, unless they belong to an incomplete
// message.
func (c *Conn) releaseLocked() {
	if len(c.rx.parts) == 0 {
		c.rx.frames.release()
	}
}

// maxBetween bounds the bytes of commands between the parts of a message. They stay in
// memory until the message is complete.
const maxBetween = 64 << 10

// handleCommandLocked handles a command after the handshake. It turns a subscription into a
// message.
func (c *Conn) handleCommandLocked(body span) (message [][]byte, err error) {
	octets := c.rx.frames.at(body)
	if len(c.rx.parts) > 0 {
		c.rx.between += longHeader + curve.MessageOverhead + len(octets)
		if c.rx.between > maxBetween {
			return nil, fmt.Errorf("%w: too many between the parts of a message", errCommand)
		}
	}
	name, data, err := parseCommand(octets)
	if err != nil {
		return nil, err
	}
	switch name {
	case cmdPing:
		err = c.handlePingLocked(data)
	case cmdSubscribe, cmdCancel:
		if !publishes(c.cfg.SocketType) {
			return nil, fmt.Errorf("%w: %s to a %s", errCommand, name, c.cfg.SocketType)
		}
		octets[len(name)] = 0 // the byte before the topic
		if name == cmdSubscribe {
			octets[len(name)] = 1
		}
		message = c.viewLocked(span{body.begin + len(name), body.end})
		c.releaseLocked()
		return message, nil
	case cmdError:
		if !c.mayBeRefused {
			return nil, fmt.Errorf("%w: ERROR from a client", errCommand)
		}
		err = parseError(octets)
	default: // PONG, and commands of later versions of ZMTP
	}
	c.releaseLocked()
	return nil, err
}

// drain receives on a socket that never gets messages, for its heartbeats.
func (c *Conn) drain() {
	for {
		if _, err := c.RecvBatch(context.Background()); err != nil {
			return
		}
	}
}
