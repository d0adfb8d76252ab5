package libzmq_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// newServer returns a bound CURVE server in a domain.
func newServer(t testing.TB, zctx *zmq4.Context, kind zmq4.Type, keys curve.SecretKey, domain string) (sock *zmq4.Socket, endpoint string) {
	t.Helper()
	sock = zmqtest.NewSocket(t, zctx, kind)
	ztest.Must(t, libzmq.SetServer(sock, keys, domain))
	return sock, zmqtest.Bind(t, sock, "tcp")
}

// secondTry bounds a handshake with an impatient server.
const secondTry = 300 * time.Millisecond

// newImpatientServer returns a server for clients that have to try again. libzmq sends a
// client nothing if there is no decision, or status 300, and ends the handshake after
// ZMQ_HANDSHAKE_IVL. Clients wait longer than that, so each attempt has one outcome at
// the server. An attempt that takes too long on a busy machine has the outcome "no
// detail", and another one follows.
func newImpatientServer(t testing.TB, zctx *zmq4.Context, kind zmq4.Type, keys curve.SecretKey, domain string) (sock *zmq4.Socket, endpoint string, outcomes zmqtest.Events) {
	t.Helper()
	sock = zmqtest.NewSocket(t, zctx, kind)
	ztest.Must(t, sock.SetHandshakeIvl(secondTry), libzmq.SetServer(sock, keys, domain))
	outcomes = zmqtest.Monitor(t, zctx, sock)
	return sock, zmqtest.Bind(t, sock, "tcp"), outcomes
}

// newClient returns a connected CURVE client.
func newClient(t testing.TB, zctx *zmq4.Context, kind zmq4.Type, keys curve.SecretKey, server curve.PublicKey, endpoint string) *zmq4.Socket {
	t.Helper()
	sock := zmqtest.NewSocket(t, zctx, kind)
	ztest.Must(t, libzmq.SetClient(sock, keys, server), sock.Connect(endpoint))
	return sock
}

// only returns a handler that admits the clients with these keys, as user-0, user-1, ….
func only(users ...curve.SecretKey) zap.HandlerFunc {
	return func(_ context.Context, req *zap.Request) zap.Reply {
		key, ok := req.CurveKey()
		for i, user := range users {
			if ok && key == user.Public() {
				return zap.Reply{
					Status: zap.StatusOK,
					Text:   "OK",
					UserID: fmt.Sprintf("user-%d", i),
					Metadata: zap.Metadata{
						{Name: "X-Domain", Value: req.Domain},
						{Name: "X-Address", Value: req.Address},
					},
				}
			}
		}
		return zap.Refuse("unknown key")
	}
}

// writable reports whether a socket has a connection to send on, or is trying to connect.
func writable(t testing.TB, sock *zmq4.Socket) bool {
	t.Helper()
	events, err := sock.GetEvents()
	ztest.Must(t, err)
	return events&zmq4.POLLOUT != 0
}
