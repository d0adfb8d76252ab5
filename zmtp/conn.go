package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// User is who the peer has been proved to be.
type User struct {
	// Key is the peer's long-term public key; zero without CURVE.
	Key curve.PublicKey
	// ID and Metadata are what the handler answered; empty on a client.
	ID       string
	Metadata zap.Metadata
}

// Conn is a connection on which the handshake is done. It carries messages as
// they are on the wire: a message to or from a REQ or REP has its empty
// delimiter part first. Subscriptions arrive at a PUB or XPUB as messages of
// one part, 1 or 0 and then the topic, however they travelled.
//
// Recv also answers the peer's heartbeats and notices when the peer is gone:
// keep a goroutine in it, even where few messages arrive. Sockets that never
// receive (PUSH) do that by themselves.
//
// Send and Recv may be called from any goroutines at the same time.
type Conn struct {
	nc     net.Conn
	cfg    *Config
	minor  byte // ZMTP 3.minor is what the peer speaks
	claims zap.Metadata
	user   User

	rx rxState
	tx txState

	closeOnce  sync.Once
	closed     chan struct{}  // closed by Close
	background sync.WaitGroup // heartbeats and drain
}

// rxState belongs to the one who receives.
type rxState struct {
	mu      sync.Mutex
	frames  *frameReader
	session *curve.Session // nil without CURVE
	parts   [][]byte       // of a message that isn't whole yet
	size    int            // octets in parts
	ttl     time.Duration  // how long the peer may be silent, by its last PING
	err     error          // what ended the receiving
}

// startConn makes the connection of a finished handshake.
func startConn(h *handshake) *Conn {
	c := &Conn{
		nc:     h.nc,
		cfg:    h.cfg,
		minor:  h.peer.minor,
		claims: h.claims,
		user:   h.user,
		closed: make(chan struct{}),
	}
	c.rx.frames = h.in
	c.rx.session = h.session
	c.tx.session = h.session
	if c.cfg.HeartbeatInterval > 0 {
		c.background.Go(c.sendHeartbeats)
	}
	if onlySends(c.cfg.SocketType) {
		c.background.Go(c.drain)
	}
	return c
}

// User returns what has been proved of the peer.
func (c *Conn) User() User { return c.user }

// Claims returns what the peer says of itself, such as Socket-Type and
// Identity. Nobody has checked it: on a server it may even name a User-Id.
func (c *Conn) Claims() zap.Metadata { return c.claims }

// LocalAddr returns the address of our end.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the address of the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Close ends the connection and wipes its keys. Calls to Send and Recv that
// are under way return net.ErrClosed.
func (c *Conn) Close() error {
	var err error
	c.closeOnce.Do(func() {
		close(c.closed)
		err = c.nc.Close()
		c.background.Wait()
		c.rx.mu.Lock()
		defer c.rx.mu.Unlock()
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		if c.rx.session != nil {
			c.rx.session.Close()
		}
	})
	return err
}

// Recv returns the next message, which belongs to the caller. When ctx is done
// it returns ctx's error, nothing is lost, and Recv may be called again. After
// any other error the connection is of no use: io.EOF means that the peer has
// closed it between messages.
func (c *Conn) Recv(ctx context.Context) ([][]byte, error) {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	for {
		if c.rx.err != nil {
			return nil, c.rx.err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		arrived := c.rx.frames.arrived
		message, err := c.recvFrameLocked(ctx)
		if message != nil {
			return message, nil
		}
		// Any octet is a sign of life, a whole frame isn't needed.
		if err == nil || isTimeout(err) && (ctx.Err() != nil || c.rx.frames.arrived != arrived) {
			continue
		}
		c.rx.err = c.fail(err)
		return nil, c.rx.err
	}
}

// fail closes the network connection after err and returns what to tell.
func (c *Conn) fail(err error) error {
	c.nc.Close()
	switch {
	case c.isClosed() || errors.Is(err, net.ErrClosed):
		err = net.ErrClosed
	case err == io.EOF:
		return io.EOF
	case isTimeout(err):
		err = ErrHeartbeat
	}
	return fmt.Errorf("zmtp: %s: %w", peerName(c.nc), err)
}

func (c *Conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// recvFrameLocked reads one frame and returns the message that it completes,
// if it does.
func (c *Conn) recvFrameLocked(ctx context.Context) (message [][]byte, err error) {
	limit := c.cfg.MaxMessageSize - c.rx.size
	if c.rx.session != nil {
		limit += curve.MessageOverhead
	}
	flags, body, err := c.nextFrameLocked(ctx, limit)
	if err != nil {
		if err == io.EOF && len(c.rx.parts) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	more, command := flags&flagMore != 0, flags&flagCommand != 0
	var part []byte
	if c.rx.session == nil {
		part = append(make([]byte, 0, len(body)), body...)
	} else {
		// The true flags are in the box. In the clear ones outside anybody on
		// the path can change a bit, so they must not matter.
		if more || command {
			return nil, fmt.Errorf("%w: flags %#02x outside the box of a CURVE message", ErrFrame, flags)
		}
		var inner byte
		if part, inner, err = c.rx.session.Open(make([]byte, 0, max(len(body)-curve.MessageOverhead, 0)), body); err != nil {
			return nil, err
		}
		more, command = inner&curve.FlagMore != 0, inner&curve.FlagCommand != 0
		if more && command {
			return nil, fmt.Errorf("%w: a command with MORE", ErrFrame)
		}
	}
	if command {
		return c.handleCommandLocked(part)
	}
	if len(c.rx.parts) >= c.cfg.MaxParts {
		return nil, fmt.Errorf("%w: more than %d", ErrParts, c.cfg.MaxParts)
	}
	c.rx.parts = append(c.rx.parts, part)
	c.rx.size += len(part)
	if more {
		return nil, nil
	}
	message = c.rx.parts
	c.rx.parts, c.rx.size = nil, 0
	return message, nil
}

// nextFrameLocked reads a frame, but no longer than ctx and the heartbeats
// allow.
func (c *Conn) nextFrameLocked(ctx context.Context, limit int) (flags byte, body []byte, err error) {
	if idle := c.idleLimitLocked(); idle > 0 {
		c.nc.SetReadDeadline(time.Now().Add(idle))
		defer c.nc.SetReadDeadline(time.Time{})
	}
	defer onDone(ctx, c.nc.SetReadDeadline)()
	return c.rx.frames.next(limit)
}

// handleCommandLocked takes a command after the handshake. A subscription
// becomes a message.
func (c *Conn) handleCommandLocked(body []byte) (message [][]byte, err error) {
	name, data, err := parseCommand(body)
	if err != nil {
		return nil, err
	}
	switch name {
	case cmdPing:
		return nil, c.handlePingLocked(data)
	case cmdSubscribe, cmdCancel:
		if !publishes(c.cfg.SocketType) {
			return nil, fmt.Errorf("%w: %s to a %s", ErrCommand, name, c.cfg.SocketType)
		}
		first := byte(0)
		if name == cmdSubscribe {
			first = 1
		}
		return [][]byte{append([]byte{first}, data...)}, nil
	case cmdError:
		return nil, parseRefusal(body)
	}
	return nil, nil // PONG, and what later versions of ZMTP may bring
}

// drain receives on a socket at which no messages arrive.
func (c *Conn) drain() {
	for {
		if _, err := c.Recv(context.Background()); err != nil {
			return
		}
	}
}
