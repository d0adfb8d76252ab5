//go:build cgo && unix

package zmtp_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestInteropRemoved removes a client of libzmq: it gets nothing more, and its monitor says
// that it tried to connect again and was refused. Its server's other client stays.
func TestInteropRemoved(t *testing.T) {
	t.Parallel()
	for mechanism, refused := range map[string]string{zap.Null: "refused: 400", zap.Plain: "protocol: 0x10000001", zap.Curve: "refused: 400"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, server := configs(mechanism, "DEALER", "DEALER")
			var closed atomic.Bool
			ends := make(chan func(zap.Reply), 10)
			server.Handler = &keeper{
				Handler: zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
					if closed.Load() {
						return zap.Refuse("revoked")
					}
					return zap.Allow("alice")
				}),
				began: func(end func(zap.Reply)) { ends <- end },
			}
			ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
			ztest.Must(t, err)
			t.Cleanup(func() { ln.Close() }) // after the sockets, which keep connecting
			connect := func() (sock *zmq4.Socket, events zmqtest.Events, conn *zmtp.Conn, end func(zap.Reply)) {
				sock = libzmqSocket(t, "DEALER", client, server, false)
				zctx, err := sock.Context()
				ztest.Must(t, err)
				events = zmqtest.Monitor(t, zctx, sock)
				ztest.Must(t, sock.Connect(ln.Endpoint()))
				conn, err = ln.Accept(ztest.Context(t))
				ztest.Must(t, err)
				t.Cleanup(func() { conn.CloseNow() })
				if event := events.Next(t); event != "succeeded" {
					t.Errorf("libzmq's monitor says %s", event)
				}
				return sock, events, conn, <-ends
			}
			alice, aliceEvents, atAlice, end := connect()
			bob, bobEvents, atBob, _ := connect()
			sendOurs(t, atAlice, [][]byte{[]byte("before")})
			wantTheirs(t, alice, [][]byte{[]byte("before")})
			closed.Store(true)
			end(zap.Refuse("revoked"))
			if err := atAlice.Send(ztest.Context(t), []byte("after")); err == nil {
				t.Error("sent to a client that is removed")
			}
			if event := aliceEvents.Next(t); event != refused {
				t.Errorf("libzmq's monitor says %s, want %s", event, refused)
			}
			if message, err := alice.RecvMessageBytes(zmq4.DONTWAIT); err == nil {
				t.Errorf("received %q", message)
			}
			sendOurs(t, atBob, [][]byte{[]byte("still here")})
			wantTheirs(t, bob, [][]byte{[]byte("still here")})
			bobEvents.None(t)
		})
	}
}
