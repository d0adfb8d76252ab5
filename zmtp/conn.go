package zmtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

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
// All methods may be called from any goroutines at the same time; but what
// RecvBatch returns is valid only until the next call that receives.
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
	background sync.WaitGroup // drain, and a heartbeat that is due
	heartbeat  heartbeat
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
	h.in.release()
	h.in.makeRoom() // or what the handshake needed would stay until something comes
	c.rx.frames = h.in
	c.rx.interrupt.setDeadline = h.nc.SetReadDeadline
	c.tx.interrupt.setDeadline = h.nc.SetWriteDeadline
	if h.session != nil {
		c.tx.sealer, c.rx.opener = h.session.Split()
	}
	if c.cfg.HeartbeatInterval > 0 {
		c.startHeartbeats()
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
		c.stopHeartbeats()
		c.background.Wait()
		c.rx.mu.Lock()
		defer c.rx.mu.Unlock()
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		c.rx.interrupt.close()
		c.tx.interrupt.close()
		if c.rx.opener != nil {
			c.rx.opener.Close()
			c.tx.sealer.Close()
		}
	})
	return err
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
