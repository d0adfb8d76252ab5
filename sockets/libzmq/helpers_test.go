package libzmq_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"go.uber.org/goleak"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// handshake is ZMQ_HANDSHAKE_IVL: after it, a client without an answer tries
// again.
const handshake = 300 * time.Millisecond

// newContext makes a context that must come to its end when the test does.
func newContext(t testing.TB) *zmq4.Context {
	t.Helper()
	zctx, err := zmq4.NewContext()
	ztest.Must(t, err)
	t.Cleanup(func() { term(t, zctx) })
	return zctx
}

// term terminates a context, which hangs as long as a socket is open.
func term(t testing.TB, zctx *zmq4.Context) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- zctx.Term() }()
	select {
	case err := <-done:
		ztest.Must(t, err)
	case <-time.After(patience):
		t.Error("Term hangs: a socket is open")
	}
}

// newSocket makes a socket that no test waits for in vain.
func newSocket(t testing.TB, zctx *zmq4.Context, kind zmq4.Type) *zmq4.Socket {
	t.Helper()
	sock, err := zctx.NewSocket(kind)
	ztest.Must(t, err)
	t.Cleanup(func() { sock.Close() })
	ztest.Must(t,
		sock.SetLinger(0),
		sock.SetRcvtimeo(patience),
		sock.SetSndtimeo(patience),
		sock.SetHandshakeIvl(handshake),
		sock.SetReconnectIvl(20*time.Millisecond))
	return sock
}

// bind binds a socket on "tcp" or "ipc" and returns where.
func bind(t testing.TB, sock *zmq4.Socket, transport string) string {
	t.Helper()
	endpoint := "tcp://127.0.0.1:*"
	if transport == "ipc" {
		endpoint = "ipc://" + filepath.Join(t.TempDir(), "s")
	}
	ztest.Must(t, sock.Bind(endpoint))
	bound, err := sock.GetLastEndpoint()
	ztest.Must(t, err)
	return bound
}

// newServer makes a bound CURVE server in a domain.
func newServer(t testing.TB, zctx *zmq4.Context, kind zmq4.Type, keys curve.KeyPair, domain string) (sock *zmq4.Socket, endpoint string) {
	t.Helper()
	sock = newSocket(t, zctx, kind)
	ztest.Must(t, libzmq.Server(sock, keys, domain))
	return sock, bind(t, sock, "tcp")
}

// newClient makes a connected CURVE client.
func newClient(t testing.TB, zctx *zmq4.Context, kind zmq4.Type, keys curve.KeyPair, server curve.PublicKey, endpoint string) *zmq4.Socket {
	t.Helper()
	sock := newSocket(t, zctx, kind)
	ztest.Must(t, libzmq.Client(sock, keys, server), sock.Connect(endpoint))
	return sock
}

// start runs an authenticator until stop is called or the test ends.
func start(t testing.TB, zctx *zmq4.Context, handler zap.Handler, log *slog.Logger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	authenticator, err := libzmq.Start(ctx, zctx, handler, log)
	ztest.Must(t, err)
	stop = sync.OnceFunc(func() {
		cancel()
		authenticator.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// only lets in the clients with these keys, by the name of user-0, user-1, ….
func only(users ...curve.KeyPair) zap.HandlerFunc {
	return func(_ context.Context, req *zap.Request) zap.Reply {
		key, ok := req.CurveKey()
		for i, user := range users {
			if ok && key == user.Public {
				return zap.Reply{
					Status: zap.StatusOK,
					Text:   "OK",
					UserID: fmt.Sprintf("user-%d", i),
					Metadata: zap.Metadata{
						{Name: "X-Domain", Value: []byte(req.Domain)},
						{Name: "X-Address", Value: []byte(req.Address)},
					},
				}
			}
		}
		return zap.Refuse("unknown key")
	}
}

// events is a socket's monitor.
type events struct{ sock *zmq4.Socket }

var monitors atomic.Int64

// monitor tells the outcomes of a socket's handshakes. Call it before the
// socket connects. At the end of the test it closes the socket: libzmq's I/O
// thread, which is that of the whole context, waits until somebody takes an event,
// and so they are read until none can come any more.
func monitor(t testing.TB, zctx *zmq4.Context, sock *zmq4.Socket) events {
	t.Helper()
	endpoint := fmt.Sprintf("inproc://monitor-%d", monitors.Add(1))
	ztest.Must(t, sock.Monitor(endpoint, zmq4.EVENT_HANDSHAKE_SUCCEEDED|zmq4.EVENT_HANDSHAKE_FAILED_AUTH|
		zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL|zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL|zmq4.EVENT_MONITOR_STOPPED))
	m := newSocket(t, zctx, zmq4.PAIR)
	ztest.Must(t, m.Connect(endpoint))
	t.Cleanup(func() {
		sock.Close()
		for event := zmq4.Event(0); event != zmq4.EVENT_MONITOR_STOPPED; {
			var err error
			event, _, _, err = m.RecvEvent(0)
			ztest.Must(t, err)
		}
	})
	return events{m}
}

// next waits for the next outcome.
func (e events) next(t testing.TB) string {
	t.Helper()
	event, _, value, err := e.sock.RecvEvent(0)
	ztest.Must(t, err)
	switch event {
	case zmq4.EVENT_HANDSHAKE_SUCCEEDED:
		return "succeeded"
	case zmq4.EVENT_HANDSHAKE_FAILED_AUTH:
		return fmt.Sprintf("refused: %d", value)
	case zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL:
		return fmt.Sprintf("protocol: %#x", value)
	}
	return "no detail"
}

// none fails the test if there is an outcome within d.
func (e events) none(t testing.TB, d time.Duration) {
	t.Helper()
	ztest.Must(t, e.sock.SetRcvtimeo(d))
	defer e.sock.SetRcvtimeo(patience)
	if event, _, value, err := e.sock.RecvEvent(0); err == nil {
		t.Errorf("unexpected %v %d", event, value)
	}
}
