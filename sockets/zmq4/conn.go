package zmq4

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection that speaks ZMTP 3.0 with any Security. Sockets use one for a
// Security of another package; programs that have a socket need none.
//
// What a peer can send is bounded: 64 MiB and 4,096 frames for a message, and 64 KiB for a
// command of the handshake. Memory grows with what has arrived. Safe for concurrent use,
// except that only one goroutine may receive.
type Conn struct {
	Server bool     // whether this side is the server
	Meta   Metadata // what this side says of itself
	Peer   struct {
		Server bool     // what the peer's greeting says
		Meta   Metadata // what the peer says of itself, unchecked
	}

	nc       net.Conn
	security Security
	in       *bufio.Reader
	received bytes.Buffer // the frame that is being received
	closed   atomic.Bool
	onClosed func(*Conn)
	reason   string // of the peer's ERROR in the handshake

	mu      sync.Mutex
	idle    sync.Cond // !writing
	opening bool      // Open is in progress, and queues instead of sending
	writing bool
	out     []byte // waits to be written
	spare   []byte
	sealed  bytes.Buffer
	err     error // of writing
}

// errorTime is how long Open tries to send what it has queued, when it has failed.
const errorTime = time.Second

// Open performs the handshake on a connection. server says whether this side is the server of
// the mechanism. onCloseErrorCB, if not nil, is called once, when the Conn fails or
// SetClosed is called.
//
// Open does not bound the time: set a deadline on the net.Conn. If Open fails, it leaves
// the net.Conn open but unusable, and the caller must close it.
func Open(nc net.Conn, sec Security, sockType SocketType, sockID SocketIdentity, server bool, onCloseErrorCB func(*Conn)) (*Conn, error) {
	if nc == nil {
		return nil, errors.New("zmq4: no connection to open")
	}
	if sec == nil {
		return nil, errors.New("zmq4: no security to open a connection with")
	}
	c := &Conn{Server: server, nc: nc, security: sec, onClosed: onCloseErrorCB, opening: true}
	c.idle.L = &c.mu
	c.in = bufio.NewReader(source{c})
	c.Meta = Metadata{nameType: string(sockType), nameIdentity: sockID.String()}
	c.Peer.Meta = Metadata{}
	err := c.shakeHands()
	if err != nil {
		nc.SetWriteDeadline(time.Now().Add(errorTime))
	}
	c.mu.Lock()
	c.opening = false
	flushErr := c.flushLocked()
	c.mu.Unlock()
	if err == nil {
		err = flushErr
	}
	// The peer gets the metadata, and finds the same error.
	if peer := SocketType(c.Peer.Meta[nameType]); err == nil && !peer.IsCompatible(sockType) {
		err = fmt.Errorf("zmq4: peer=%q not compatible with %q", peer, sockType)
	}
	if err != nil {
		return nil, fmt.Errorf("zmq4: could not initialize ZMTP connection: %w", err)
	}
	return c, nil
}

func (c *Conn) shakeHands() error {
	if err := c.greet(); err != nil {
		return fmt.Errorf("zmq4: could not exchange greetings: %w", err)
	}
	err := c.security.Handshake(c, c.Server)
	switch {
	case err != nil && c.reason != "":
		return fmt.Errorf("zmq4: the peer refused the handshake: %q: %w", c.reason, err)
	case err != nil:
		return fmt.Errorf("zmq4: could not perform security handshake: %w", err)
	}
	return nil
}

// greet exchanges the greetings (RFC 23, The Greeting).
func (c *Conn) greet() error {
	mechanism := c.security.Type()
	if len(mechanism) > 20 {
		return fmt.Errorf("invalid security mechanism %q: longer than 20 bytes", mechanism)
	}
	ours := [64]byte{0: 0xff, 9: 0x7f, 10: 3}
	copy(ours[12:32], mechanism)
	if c.Server && mechanism != NullSecurity {
		ours[32] = 1
	}
	if _, err := c.Write(ours[:]); err != nil {
		return err
	}
	var theirs [64]byte
	if _, err := c.Read(theirs[:]); err != nil {
		return err
	}
	switch name := bytes.TrimRight(theirs[12:32], "\x00"); {
	case theirs[0] != 0xff || theirs[9]&1 == 0:
		return errors.New("invalid greeting received: not ZMTP")
	case theirs[10] < 3:
		return fmt.Errorf("invalid greeting received: ZMTP version %d.%d", theirs[10], theirs[11])
	case string(name) != string(mechanism):
		return fmt.Errorf("security mechanism %q of the peer instead of %s", name, mechanism)
	case theirs[32] > 1:
		return fmt.Errorf("invalid greeting received: as-server is %d", theirs[32])
	}
	c.Peer.Server = theirs[32] == 1
	return nil
}

// Close closes the net.Conn.
func (c *Conn) Close() error {
	if c.nc == nil {
		return nil
	}
	return c.nc.Close()
}

// Closed reports whether the Conn has failed, or SetClosed was called. A Conn that Open has
// not returned is closed.
func (c *Conn) Closed() bool { return c.nc == nil || c.closed.Load() }

// SetClosed ends the use of the Conn: all methods but Close return ErrClosedConn. It does not
// close the net.Conn.
func (c *Conn) SetClosed() {
	if c.closed.CompareAndSwap(false, true) && c.onClosed != nil {
		c.onClosed(c)
	}
}

// check ends the use of the Conn after an error.
func (c *Conn) check(err error) error {
	if err != nil {
		c.SetClosed()
	}
	return err
}

// source is the net.Conn of a Conn, to read from.
type source struct{ c *Conn }

// Read reads. In the handshake, what is queued is written meanwhile, because the peer may
// not read before it has written.
func (s source) Read(p []byte) (int, error) {
	s.c.mu.Lock()
	if s.c.opening {
		s.c.startLocked()
	}
	s.c.mu.Unlock()
	return s.c.nc.Read(p)
}

// Read fills p with bytes of the connection, undecrypted.
func (c *Conn) Read(p []byte) (int, error) {
	if c.Closed() {
		return 0, ErrClosedConn
	}
	n, err := io.ReadFull(c.in, p)
	if n == 0 && isTimeout(err) {
		return 0, err
	}
	return n, c.check(err)
}

// Write writes p, unencrypted.
func (c *Conn) Write(p []byte) (int, error) {
	err := c.send(true, func() error {
		c.out = append(c.out, p...)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
