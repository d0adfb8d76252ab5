package zmtp_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { ztest.Main(ztest.WithPrograms(m)) }

// allow admits every client, as user "anybody".
var allow = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
	return zap.Reply{Status: zap.StatusOK, UserID: "anybody"}
})

// answer returns a handler with a constant reply.
func answer(status zap.Status, text string) zap.Handler {
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Reply{Status: status, Text: text}
	})
}

// configs returns the two configurations of a pair of peers. They wait as long as
// tests do.
func configs(mechanism, clientType, serverType string) (client, server zmtp.Config) {
	client = zmtp.Config{SocketType: clientType, Mechanism: mechanism, HandshakeTimeout: ztest.Patience}
	server = zmtp.Config{SocketType: serverType, Mechanism: mechanism, HandshakeTimeout: ztest.Patience, Handler: allow}
	switch mechanism {
	case zap.Plain:
		client.Username, client.Password = "admin", zap.NewPassword("secret")
	case zap.Curve:
		client.Key, server.Key = curve.GenerateKey(), curve.GenerateKey()
		client.ServerKey = server.Key.Public()
	}
	return client, server
}

var mechanisms = []string{zap.Null, zap.Plain, zap.Curve}

// result is the result of a handshake.
type result struct {
	conn *zmtp.Conn
	err  error
}

// shake runs a handshake over a pair of net.Conns.
func shake(ctx context.Context, a, b net.Conn, client, server zmtp.Config) (c, s result) {
	done := make(chan result, 1)
	go func() {
		conn, err := zmtp.Server(ctx, b, server)
		done <- result{conn, err}
	}()
	conn, err := zmtp.Client(ctx, a, client)
	return result{conn, err}, <-done
}

// tcpPair returns both ends of a connection over loopback.
func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	defer ln.Close()
	a, err = net.Dial("tcp", ln.Addr().String())
	ztest.Must(t, err)
	return a, acceptFrom(t, ln, a.LocalAddr().String())
}

// acceptFrom accepts the connection from an address, or any if that is empty.
func acceptFrom(t testing.TB, ln net.Listener, address string) net.Conn {
	t.Helper()
	ztest.Must(t, ln.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(ztest.Patience)))
	for {
		nc, err := ln.Accept()
		ztest.Must(t, err)
		if address == "" || nc.RemoteAddr().String() == address {
			return nc
		}
		nc.Close() // from a peer of the port's last owner
	}
}

// counted is a net.Conn that counts the calls that moved bytes, and records whether it has
// ended, on this side or the other.
type counted struct {
	net.Conn
	reads, writes atomic.Int64
	ended         atomic.Bool
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.writes.Add(1)
	}
	return n, err
}

func (c *counted) Close() error {
	c.ended.Store(true) // a failed write ends it without another read
	return c.Conn.Close()
}

// connect returns two connected peers over net.Pipe, which buffers nothing.
func connect(t testing.TB, client, server zmtp.Config) (c, s *zmtp.Conn) {
	t.Helper()
	a, b := net.Pipe()
	return connectOver(t, a, b, client, server)
}

// connectOver is connect for a pair of net.Conns.
func connectOver(t testing.TB, a, b net.Conn, client, server zmtp.Config) (c, s *zmtp.Conn) {
	t.Helper()
	cr, sr := shake(ztest.Context(t), a, b, client, server)
	if cr.err != nil || sr.err != nil {
		t.Fatalf("handshake: client: %v, server: %v", cr.err, sr.err)
	}
	t.Cleanup(func() { cr.conn.Close(); sr.conn.Close() })
	return cr.conn, sr.conn
}

// hooked is a net.Conn that calls hooks, once they are stored, on its calls.
type hooked struct {
	net.Conn
	hooks atomic.Pointer[hooks]
}

type hooks struct {
	wrote            func(p []byte)    // after a Write
	read             func() error      // before a Read, which returns its error
	setReadDeadline  func(t time.Time) // before it is set
	setWriteDeadline func(t time.Time)
}

func (h *hooked) Read(p []byte) (int, error) {
	if hooks := h.hooks.Load(); hooks != nil && hooks.read != nil {
		if err := hooks.read(); err != nil {
			return 0, err
		}
	}
	return h.Conn.Read(p)
}

func (h *hooked) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if hooks := h.hooks.Load(); hooks != nil && hooks.wrote != nil {
		hooks.wrote(p)
	}
	return n, err
}

func (h *hooked) SetReadDeadline(t time.Time) error {
	if hooks := h.hooks.Load(); hooks != nil && hooks.setReadDeadline != nil {
		hooks.setReadDeadline(t)
	}
	return h.Conn.SetReadDeadline(t)
}

func (h *hooked) SetWriteDeadline(t time.Time) error {
	if hooks := h.hooks.Load(); hooks != nil && hooks.setWriteDeadline != nil {
		hooks.setWriteDeadline(t)
	}
	return h.Conn.SetWriteDeadline(t)
}

// connectHooked returns a NULL server with hooks, and the raw net.Conn of its client.
func connectHooked(t *testing.T, cfg zmtp.Config) (raw net.Conn, h *hooked, s *zmtp.Conn) {
	t.Helper()
	cfg.SocketType, cfg.Mechanism = "DEALER", zap.Null
	a, b := net.Pipe()
	h = &hooked{Conn: b}
	client := cfg
	client.HeartbeatInterval = 0
	cr, sr := shake(t.Context(), a, h, client, cfg)
	if cr.err != nil || sr.err != nil {
		t.Fatal(cr.err, sr.err)
	}
	t.Cleanup(func() { a.Close(); sr.conn.CloseNow(); cr.conn.CloseNow() })
	return a, h, sr.conn
}
