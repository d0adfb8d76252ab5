//go:build cgo && unix

package sasl_test

import (
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// socketEnd returns a libzmq socket and its end of a connection. A ROUTER has one peer.
func socketEnd(t testing.TB, kind zmq4.Type) (e end, sock *zmq4.Socket) {
	t.Helper()
	ztest.NeedPeers(t)
	sock = zmqtest.NewSocket(t, zmqtest.NewContext(t), kind)
	ztest.Must(t, sock.SetRcvhwm(0), sock.SetSndhwm(0))
	var route [][]byte // in front of each message
	return end{
		one: true,
		send: func(message [][]byte) error {
			_, err := sock.SendMessage(route, message)
			return err
		},
		recv: func() ([][]byte, error) {
			message, err := sock.RecvMessageBytes(0)
			if err == nil && kind == zmq4.ROUTER {
				route, message = message[:1], message[1:]
			}
			return message, err
		},
	}, sock
}

// TestLayerOfLibzmqUnraced sends messages in the security layer over a DEALER and a ROUTER, of
// which at least one is libzmq's.
func TestLayerOfLibzmqUnraced(t *testing.T) {
	t.Parallel()
	t.Run("both", func(t *testing.T) {
		t.Parallel()
		s, router := socketEnd(t, zmq4.ROUTER)
		c, dealer := socketEnd(t, zmq4.DEALER)
		ztest.Must(t, dealer.Connect(zmqtest.Bind(t, router, "tcp")))
		carry(t, c, s)
	})
	for _, kind := range []zmq4.Type{zmq4.ROUTER, zmq4.DEALER} {
		t.Run("its "+kind.String(), func(t *testing.T) {
			t.Parallel()
			ctx := ztest.Context(t)
			theirs, sock := socketEnd(t, kind)
			nc, err := endpoint.Dial(ctx, zmqtest.Bind(t, sock, "tcp"))
			ztest.Must(t, err)
			if kind == zmq4.ROUTER {
				conn, err := zmtp.Client(ctx, nc, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null})
				ztest.Must(t, err)
				carry(t, connEnd(t, conn), theirs)
				return
			}
			conn, err := zmtp.Server(ctx, nc, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
			ztest.Must(t, err)
			carry(t, theirs, connEnd(t, conn))
		})
	}
}
