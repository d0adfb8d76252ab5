package zmtp

import (
	"crypto/tls"
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
// Recv also takes the peer's heartbeats and notices when the peer is gone:
// keep a goroutine in it, or call it again and again, even where few messages
// arrive. Sockets that never receive (PUSH) do that by themselves.
//
// Each method returns at the latest a tenth of a second after its context is done,
// whatever the peer does. That harms neither the connection nor other callers.
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

	pulse pulse

	background sync.WaitGroup // drain, a timer that is set, and writers for whom nobody waits
	closing    chan struct{}  // closed by Close and CloseNow
	shutDown   sync.Once      // runs finish
	unsent     error          // what that returns
}

// startConn makes the connection of a finished handshake.
func startConn(h *handshake) *Conn {
	c := &Conn{
		nc:     h.nc,
		cfg:    h.cfg,
		minor:  h.peer.minor,
		claims: h.claims,
		user:   h.user,

		closing: make(chan struct{}),
	}
	h.in.release()
	h.in.makeRoom() // or what the handshake needed would stay until something comes
	c.rx.frames = h.in
	c.rx.turn = make(chan struct{}, 1)
	c.rx.interrupt.setDeadline = h.nc.SetReadDeadline
	c.tx.interrupt.setDeadline = h.nc.SetWriteDeadline
	_, c.tx.whole = h.nc.(*tls.Conn)
	c.tx.delimiter = delimiterOf(h.cfg.SocketType, h.claims.Get("Socket-Type"))
	c.tx.sealer, c.rx.opener = h.sealer, h.opener
	c.startPulse()
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

// RemoteAddr returns the address of the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }
