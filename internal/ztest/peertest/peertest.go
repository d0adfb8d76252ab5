//go:build cgo

// Package peertest listens as the peers that a client may meet: sockets of ours and of libzmq,
// and programs that are not what they should be. Everything ends with the test.
package peertest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// Server is the key of all CURVE servers.
var Server = curve.GenerateKey()

// Listen starts a peer, and returns its endpoint.
type Listen func(t testing.TB) string

// Replies returns a handler with the same reply for everyone.
func Replies(status zap.Status) zap.Handler {
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		if status == zap.StatusOK {
			return zap.Allow("alice")
		}
		return zap.Reply{Status: status, Text: "because"}
	})
}

// Stuck is a handler that does not decide until nobody waits any longer.
var Stuck = zap.HandlerFunc(func(ctx context.Context, _ *zap.Request) zap.Reply {
	<-ctx.Done()
	return zap.Reply{Status: zap.StatusError}
})

// Ours listens with a socket of package zmtp. The transport is "tcp" or "ipc".
func Ours(transport string, cfg zmtp.Config) Listen {
	return func(t testing.TB) string {
		cfg := cfg
		cfg.Key = Server
		ln, err := zmtp.Listen(ztest.Context(t), zmqtest.Wildcard(t, transport), cfg)
		ztest.Must(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := ln.Accept(context.Background())
				if err != nil {
					return
				}
				go func() {
					for err == nil { // answers PINGs
						_, err = conn.Recv(context.Background())
					}
				}()
			}
		}()
		t.Cleanup(func() { ln.Close(); <-done })
		return ln.Endpoint()
	}
}

// Theirs listens with a socket of libzmq. Without a handler, nobody decides.
func Theirs(transport string, kind zmq4.Type, mechanism string, handler zap.Handler) Listen {
	return func(t testing.TB) string {
		zctx := zmqtest.NewContext(t)
		if handler != nil {
			zmqtest.Start(t, zctx, handler, (&ztest.Log{}).Logger())
		}
		sock := zmqtest.NewSocket(t, zctx, kind)
		switch mechanism {
		case zap.Curve:
			ztest.Must(t, sock.SetCurveServer(1), sock.SetCurveSecretkey(string(Server.AppendZ85(nil))))
		case zap.Plain:
			ztest.Must(t, sock.SetPlainServer(1))
		}
		if handler != nil {
			ztest.Must(t, sock.SetZapDomain("test"))
		}
		return zmqtest.Bind(t, sock, transport)
	}
}

// Enforced is a CURVE server of libzmq that enforces its domain, and has no authenticator.
func Enforced(t testing.TB) string {
	sock := zmqtest.NewSocket(t, zmqtest.NewContext(t), zmq4.REP)
	ztest.Must(t, libzmq.SetServer(sock, Server, "test"))
	return zmqtest.Bind(t, sock, "tcp")
}

// Client is a CURVE client of ours that listens.
func Client(t testing.TB) string {
	cfg := zmtp.Config{SocketType: "REP", Mechanism: zap.Curve, Key: curve.GenerateKey(), ServerKey: Server.Public()}
	ctx := ztest.Context(t)
	return Talker(func(nc net.Conn) { zmtp.Client(ctx, nc, cfg) })(t)
}

// Stranger sends bytes to each that connects, and waits for its end. With closes, it closes
// the connection itself when nothing more arrives.
func Stranger(sent string, closes bool) Listen {
	return Talker(func(nc net.Conn) {
		_, err := nc.Write([]byte(sent))
		for buf := make([]byte, 1024); err == nil; {
			_, err = nc.Read(buf)
			if closes { // what remains unread would reset the connection
				nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			}
		}
	})
}

// Talker calls talk for each connection, and then closes it.
func Talker(talk func(net.Conn)) Listen {
	return func(t testing.TB) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ztest.Must(t, err)
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer nc.Close()
					talk(nc)
				}()
			}
		}()
		return "tcp://" + ln.Addr().String()
	}
}

// Web listens with a server of HTTP: start is (*httptest.Server).Start or StartTLS.
func Web(start func(*httptest.Server)) Listen {
	return func(t testing.TB) string {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		start(s)
		t.Cleanup(s.Close)
		return "tcp://" + s.Listener.Addr().String()
	}
}

// Nowhere returns an endpoint where nobody listens.
func Nowhere(endpoint string) Listen { return func(testing.TB) string { return endpoint } }

// Greeting is a greeting of ZMTP with this version and mechanism.
func Greeting(major, minor byte, mechanism string) string {
	g := make([]byte, 64)
	g[0], g[9], g[10], g[11] = 0xff, 0x7f, major, minor
	copy(g[12:], mechanism)
	return string(g)
}
