//go:build cgo

// Package zmqtest creates libzmq sockets for tests. They are closed when the test ends, and
// their calls block for [ztest.Patience] at most.
package zmqtest

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

// NewContext creates a context and terminates it when the test ends.
func NewContext(t testing.TB) *zmq4.Context {
	t.Helper()
	zctx, err := zmq4.NewContext()
	ztest.Must(t, err)
	t.Cleanup(func() { Term(t, zctx) })
	return zctx
}

// Term terminates a context. It waits until the last socket of the context is closed.
func Term(t testing.TB, zctx *zmq4.Context) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- zctx.Term() }()
	ztest.Must(t, ztest.Receive(t, "the context's end: a socket is open", done))
}

// NewSocket creates a socket and closes it when the test ends. Sending, receiving and the
// handshake time out after [ztest.Patience]. Messages that are not sent when the socket is
// closed are dropped.
func NewSocket(t testing.TB, zctx *zmq4.Context, kind zmq4.Type) *zmq4.Socket {
	t.Helper()
	sock, err := zctx.NewSocket(kind)
	ztest.Must(t, err)
	t.Cleanup(func() { sock.Close() })
	ztest.Must(t,
		sock.SetLinger(0),
		sock.SetRcvtimeo(ztest.Patience),
		sock.SetSndtimeo(ztest.Patience),
		sock.SetHandshakeIvl(ztest.Patience),
		sock.SetReconnectIvl(20*time.Millisecond))
	return sock
}

// Wildcard returns an unused endpoint to bind, for the transport "tcp" or "ipc".
func Wildcard(t testing.TB, transport string) string {
	t.Helper()
	if transport == "ipc" {
		return "ipc://" + filepath.Join(t.TempDir(), "s")
	}
	return "tcp://127.0.0.1:*"
}

// Bind binds a socket to such an endpoint, and returns the endpoint to connect to.
func Bind(t testing.TB, sock *zmq4.Socket, transport string) string {
	t.Helper()
	ztest.Must(t, sock.Bind(Wildcard(t, transport)))
	endpoint, err := sock.GetLastEndpoint()
	ztest.Must(t, err)
	return endpoint
}

// Start runs an authenticator until stop is called or the test ends.
func Start(t testing.TB, zctx *zmq4.Context, handler zap.Handler, log *slog.Logger) (stop func()) {
	t.Helper()
	authenticator, err := libzmq.Start(zctx, handler, log)
	ztest.Must(t, err)
	stop = func() { authenticator.Close() }
	t.Cleanup(stop)
	return stop
}

// Events are the outcomes of a socket's handshakes, from its monitor.
type Events struct{ sock *zmq4.Socket }

var monitors atomic.Int64

// Monitor returns the outcomes of a socket's handshakes. Call it before the socket
// connects. When the test ends, it closes the socket and receives the remaining events.
// Otherwise libzmq's I/O thread, which all sockets of the context share, would block.
func Monitor(t testing.TB, zctx *zmq4.Context, sock *zmq4.Socket) Events {
	t.Helper()
	endpoint := fmt.Sprintf("inproc://monitor-%d", monitors.Add(1))
	ztest.Must(t, sock.Monitor(endpoint, zmq4.EVENT_HANDSHAKE_SUCCEEDED|zmq4.EVENT_HANDSHAKE_FAILED_AUTH|
		zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL|zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL|zmq4.EVENT_MONITOR_STOPPED))
	m := NewSocket(t, zctx, zmq4.PAIR)
	ztest.Must(t, m.Connect(endpoint))
	t.Cleanup(func() {
		sock.Close()
		for event := zmq4.Event(0); event != zmq4.EVENT_MONITOR_STOPPED; {
			var err error
			event, _, _, err = m.RecvEvent(0)
			ztest.Must(t, err)
		}
	})
	return Events{m}
}

// Next waits for the next outcome: "succeeded", "refused: STATUS", "protocol: CODE", or "no
// detail" if libzmq has none.
func (e Events) Next(t testing.TB) string {
	t.Helper()
	event, _, value, err := e.sock.RecvEvent(0)
	ztest.Must(t, err)
	return outcome(event, value)
}

// None fails the test if there is an outcome that Next has not returned.
func (e Events) None(t testing.TB) {
	t.Helper()
	if event, _, value, err := e.sock.RecvEvent(zmq4.DONTWAIT); err == nil {
		t.Errorf("unexpected outcome: %s", outcome(event, value))
	}
}

func outcome(event zmq4.Event, value int) string {
	switch event {
	case zmq4.EVENT_HANDSHAKE_SUCCEEDED:
		return "succeeded"
	case zmq4.EVENT_HANDSHAKE_FAILED_AUTH:
		return fmt.Sprintf("refused: %d", value)
	case zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL:
		return fmt.Sprintf("protocol: %#x", value)
	case zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		return "no detail"
	}
	return event.String()
}
