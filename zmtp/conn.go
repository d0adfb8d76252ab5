package zmtp

import (
	"crypto/tls"
	"net"
	"sync"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/zap"
)

// User identifies the peer, as far as it has been proved. Plain data: don't change it while
// it is in use.
type User struct {
	Key      curve.PublicKey // the peer's long-term public key; zero without CURVE
	Binding  [32]byte        // the connection's channel binding (curve.Client.Binding); zero without CURVE
	ID       string          // from the handler; empty on a client
	Metadata zap.Metadata    // from the handler; empty on a client
}

// Conn is a connection after a successful handshake. It carries messages as they are on
// the wire: a message to or from a REQ or REP begins with its empty delimiter part.
// Subscriptions arrive at a PUB or XPUB as messages of one part, a byte 1 or 0 and the
// topic, whichever way the peer sent them.
//
// Recv also reads the peer's heartbeats and notices when the peer has disappeared. Keep a
// goroutine in it, or call it often, even if few messages arrive. A socket that never
// receives (PUSH) does so by itself.
//
// Each method returns within a tenth of a second after its context is done, whatever the
// peer does. That harms neither the connection nor other callers.
//
// Safe for concurrent use. But what RecvBatch returns is valid only until the next call
// that receives. The zero Conn is closed.
type Conn struct {
	nc     net.Conn
	cfg    *Config
	minor  byte // the peer speaks ZMTP 3.minor
	claims zap.Metadata
	user   User
	stay   *stay // nil unless the handler is a zap.Keeper
	// mayBeRefused is whether an ERROR from the peer is a refusal; see handshake.mayBeRefused.
	mayBeRefused bool

	rx rxState
	tx txState

	pulse pulse

	background sync.WaitGroup // drain, a timer that is set, and writers without a caller
	closing    chan struct{}  // closed by Close and CloseNow
	shutDown   sync.Once      // runs finish
	unsent     error          // its result
}

// startConn returns the connection of a finished handshake.
func startConn(h *handshake) *Conn {
	c := &Conn{
		nc:     h.nc,
		cfg:    h.cfg,
		minor:  h.peer.minor,
		claims: h.claims,
		user:   h.user,
		stay:   h.stay,

		mayBeRefused: h.mayBeRefused(),

		closing: make(chan struct{}),
	}
	h.in.release()
	h.in.makeRoom() // otherwise the handshake's buffer would stay until something arrives
	c.rx.frames = h.in
	c.rx.turn = make(chan struct{}, 1)
	c.rx.interrupt.setDeadline = h.nc.SetReadDeadline
	c.tx.interrupt.setDeadline = h.nc.SetWriteDeadline
	_, c.tx.whole = h.nc.(*tls.Conn)
	c.tx.delimiter = sockettype.DelimiterOf(h.cfg.SocketType, h.claims.Get("Socket-Type"))
	c.tx.sealer, c.rx.opener = h.sealer, h.opener
	c.startPulse()
	if onlySends(c.cfg.SocketType) {
		c.background.Go(c.drain)
	}
	c.stay.attach(c)
	return c
}

// User returns who the peer has been proved to be.
func (c *Conn) User() User { return c.user }

// Claims returns what the peer says of itself, such as Socket-Type and Identity. Nothing
// has checked it: a client may even claim a User-Id.
func (c *Conn) Claims() zap.Metadata { return c.claims }

// RemoteAddr returns the peer's network address, or nil if it is not known.
func (c *Conn) RemoteAddr() net.Addr {
	if c.isZero() {
		return nil
	}
	return c.nc.RemoteAddr()
}

// isZero reports whether c is the zero Conn, which nobody has connected.
func (c *Conn) isZero() bool { return c.nc == nil }
