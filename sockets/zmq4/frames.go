package zmq4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Bounds of what a peer can send to a Conn.
const (
	maxConnMessage   = 64 << 20
	maxConnFrames    = 4096
	maxConnHandshake = 64 << 10
)

// The flags of a frame (RFC 23, Framing).
const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4
)

// maxQueued is how many bytes wait at a Conn before they are written, and keptBuffer how
// many a buffer keeps room for.
const (
	maxQueued  = 64 << 10
	keptBuffer = 4 * maxQueued
)

// SendCmd sends a command.
func (c *Conn) SendCmd(name string, body []byte) error {
	encoded, err := Cmd{name, body}.encode()
	if err != nil {
		return err
	}
	return c.send(true, func() error { return c.appendFrameLocked(flagCommand, encoded) })
}

// SendMsg sends the frames of a message.
func (c *Conn) SendMsg(msg Msg) error {
	return c.send(true, func() error { return c.appendFramesLocked(msg.Frames) })
}

// send calls add, which appends to c.out or returns an error, and writes what is queued, if
// flush is true or much is queued.
func (c *Conn) send(flush bool, add func() error) error {
	if c.Closed() {
		return ErrClosedConn
	}
	c.mu.Lock()
	before := len(c.out)
	if err := add(); err != nil {
		c.out = c.out[:before]
		c.mu.Unlock()
		return err
	}
	var err error
	if !c.opening && (flush || len(c.out) >= maxQueued) {
		err = c.flushLocked()
	}
	c.mu.Unlock()
	return c.check(err)
}

func (c *Conn) appendFramesLocked(frames [][]byte) error {
	for i, frame := range frames {
		flags := byte(flagMore)
		if i == len(frames)-1 {
			flags = 0
		}
		if err := c.appendFrameLocked(flags, frame); err != nil {
			return fmt.Errorf("zmq4: frame %d of %d: %w", i+1, len(frames), err)
		}
	}
	return nil
}

func (c *Conn) appendFrameLocked(flags byte, body []byte) error {
	c.sealed.Reset()
	if _, err := c.security.Encrypt(&c.sealed, body); err != nil {
		return err
	}
	if n := c.sealed.Len(); n > 255 {
		c.out = binary.BigEndian.AppendUint64(append(c.out, flags|flagLong), uint64(n))
	} else {
		c.out = append(c.out, flags, byte(n))
	}
	c.out = append(c.out, c.sealed.Bytes()...)
	if c.sealed.Cap() > keptBuffer {
		c.sealed = bytes.Buffer{}
	}
	return nil
}

// flushLocked writes what is queued, and waits until all of it is written.
func (c *Conn) flushLocked() error {
	for c.writing {
		c.idle.Wait()
	}
	c.writing = true
	c.writeLocked()
	return c.err
}

// startLocked starts a goroutine that writes what is queued, unless another does so.
func (c *Conn) startLocked() {
	if c.writing || len(c.out) == 0 || c.err != nil {
		return
	}
	c.writing = true
	go func() {
		c.mu.Lock()
		c.writeLocked()
		err := c.err
		c.mu.Unlock()
		c.check(err)
	}()
}

// writeLocked writes until nothing is queued. It releases c.mu meanwhile.
func (c *Conn) writeLocked() {
	for len(c.out) > 0 && c.err == nil {
		out := c.out
		c.out, c.spare = c.spare[:0], nil
		c.mu.Unlock()
		_, err := c.nc.Write(out)
		c.mu.Lock()
		if c.err = err; cap(out) <= keptBuffer {
			c.spare = out
		}
	}
	c.writing = false
	c.idle.Broadcast()
}

// RecvCmd receives a command. If the peer sends a message instead, it returns ErrBadFrame.
func (c *Conn) RecvCmd() (Cmd, error) {
	msg, err := c.recv()
	if err != nil {
		return Cmd{}, fmt.Errorf("zmq4: could not receive a command: %w", err)
	}
	if msg.Type != CmdMsg {
		return Cmd{}, fmt.Errorf("%w: a message instead of a command", ErrBadFrame)
	}
	cmd, err := parseCmd(msg.Frames[0])
	if cmd.Name == CmdError {
		c.reason = cmd.reason()
	}
	return cmd, c.check(err)
}

// RecvMsg receives a message. It returns a command as a message of Type CmdMsg, which has the
// body of the command as its frame, or no frame if the body is empty. It answers a PING.
//
// If the deadline of the net.Conn passes before a byte of the message has arrived, RecvMsg
// may be called again. Any other error ends the use of the Conn.
func (c *Conn) RecvMsg() (Msg, error) {
	msg, err := c.recv()
	if err == nil && msg.Type == CmdMsg {
		err = c.take(&msg)
	}
	if err != nil {
		err = fmt.Errorf("zmq4: could not receive a message: %w", err)
		return Msg{err: err}, err
	}
	return msg, nil
}

// take turns a received command into a message for the caller of RecvMsg.
func (c *Conn) take(msg *Msg) error {
	cmd, err := parseCmd(msg.Frames[0])
	if err != nil {
		return c.check(err)
	}
	if cmd.Name == CmdPing {
		c.pong(cmd.Body)
	}
	if msg.Frames = nil; len(cmd.Body) > 0 {
		msg.Frames = [][]byte{cmd.Body}
	}
	return nil
}

// pong answers a PING, of which body begins with a time to live of two bytes. It doesn't
// wait for the peer, and drops the answer if the peer reads nothing.
func (c *Conn) pong(body []byte) {
	context := body[min(2, len(body)):]
	encoded, err := Cmd{CmdPong, context[:min(maxPingContext, len(context))]}.encode()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) < maxQueued && c.appendFrameLocked(flagCommand, encoded) == nil {
		c.startLocked()
	}
}

// maxPingContext bounds the context of a PING, which the PONG repeats (RFC 37).
const maxPingContext = 16

// recv receives a message or a command.
func (c *Conn) recv() (Msg, error) {
	if c.Closed() {
		return Msg{}, ErrClosedConn
	}
	if _, err := c.in.Peek(1); err != nil {
		if isTimeout(err) {
			return Msg{}, err
		}
		return Msg{}, c.check(err)
	}
	msg, err := c.recvFrames()
	return msg, c.check(err)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func (c *Conn) recvFrames() (Msg, error) {
	c.mu.Lock()
	room := maxConnMessage
	if c.opening {
		room = maxConnHandshake
	}
	c.mu.Unlock()
	var msg Msg
	for {
		flags, body, err := c.recvFrame(&room)
		switch {
		case err != nil:
			return Msg{}, err
		case flags&flagCommand != 0 && len(msg.Frames) > 0:
			return Msg{}, fmt.Errorf("%w: a command within a message", ErrBadFrame)
		case len(msg.Frames) == maxConnFrames:
			return Msg{}, fmt.Errorf("%w: a message of more than %d frames", ErrBadFrame, maxConnFrames)
		case flags&flagCommand != 0:
			msg.Type = CmdMsg
		}
		if msg.Frames = append(msg.Frames, body); flags&flagMore == 0 {
			return msg, nil
		}
	}
}

// recvFrame receives a frame of at most room bytes, and takes them off room. Memory grows with what arrives.
func (c *Conn) recvFrame(room *int) (flags byte, body []byte, err error) {
	var head [9]byte
	if err := fill(c.in, head[:2]); err != nil {
		return 0, nil, err
	}
	flags = head[0]
	size := uint64(head[1])
	if flags&flagLong != 0 {
		if err := fill(c.in, head[2:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	switch {
	case flags > flagMore|flagLong|flagCommand:
		return 0, nil, fmt.Errorf("%w: unknown flags %#x", ErrBadFrame, flags)
	case flags&flagCommand != 0 && flags&flagMore != 0:
		return 0, nil, fmt.Errorf("%w: a command of several frames", ErrBadFrame)
	case size > uint64(*room):
		return 0, nil, fmt.Errorf("%w: %d bytes, more than the %d that are allowed", ErrBadFrame, size, *room)
	}
	*room -= int(size)
	if c.received.Reset(); c.received.Cap() > keptBuffer {
		c.received = bytes.Buffer{}
	}
	if _, err := io.CopyN(&c.received, c.in, int64(size)); err != nil {
		return 0, nil, cutOff(err)
	}
	var plain bytes.Buffer
	if _, err := c.security.Decrypt(&plain, c.received.Bytes()); err != nil {
		return 0, nil, fmt.Errorf("zmq4: could not decrypt: %w", err)
	}
	if plain.Len() == 0 {
		return flags, []byte{}, nil
	}
	return flags, plain.Bytes(), nil
}

func fill(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	return cutOff(err)
}

// cutOff returns io.ErrUnexpectedEOF for the end of a connection within a message.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
