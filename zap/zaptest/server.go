package zaptest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// Serve runs a ZAP server on loopback, as zauth does, until the test ends. It returns
// the endpoint for remote.NewHandler. The server logs to the test.
func Serve(t testing.TB, h zap.Handler) (endpoint string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := remote.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{Mechanism: zap.Null})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- remote.Serve(ctx, ln, h, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Endpoint()
}

// Pipe connects a client and a server over loopback and returns both ends. The test ends
// at once if the handshake fails. Both connections are closed when the test ends.
func Pipe(t testing.TB, client, server zmtp.Config) (clientConn, serverConn *zmtp.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	type end struct {
		conn *zmtp.Conn
		err  error
	}
	ends := make(chan end, 1)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			ends <- end{nil, err}
			return
		}
		conn, err := zmtp.Server(t.Context(), nc, server)
		ends <- end{conn, err}
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	clientConn, err = zmtp.Client(t.Context(), nc, client)
	accepted := <-ends
	for _, conn := range []*zmtp.Conn{clientConn, accepted.conn} {
		if conn != nil {
			t.Cleanup(func() { conn.CloseNow() })
		}
	}
	if err := errors.Join(err, accepted.err); err != nil {
		t.Fatal(err)
	}
	return clientConn, accepted.conn
}
