//go:build cgo

// Package zmqtest makes sockets of libzmq for tests. They are closed when the test
// ends, and none of their calls blocks for longer than [ztest.Patience].
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

// NewContext makes a context that must come to its end when the test does.
func NewContext(t testing.TB) *zmq4.Context {
	t.Helper()
	zctx, err := zmq4.NewContext()
	ztest.Must(t, err)
	t.Cleanup(func() { Term(t, zctx) })
	return zctx
}

// Term terminates a context, which takes until its last socket is closed.
func Term(t testing.TB, zctx *zmq4.Context) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- zctx.Term() }()
	ztest.Must(t, ztest.Receive(t, "the context's end: a socket is open", done))
}

// NewSocket makes a socket that gives up sending, receiving and a handshake after
// [ztest.Patience], and keeps nothing when it is closed. It is closed when the test
// ends.
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

// Wildcard returns an endpoint to listen on that no other program has, for the transport
// "tcp" or "ipc".
func Wildcard(t testing.TB, transport string) string {
	t.Helper()
	if transport == "ipc" {
		return "ipc://" + filepath.Join(t.TempDir(), "s")
	}
	return "tcp://127.0.0.1:*"
}

// Bind binds a socket to such an endpoint, and returns where it is reached.
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
// connects. At the end of the test it closes the socket and reads what is left,
// since libzmq's I/O thread, which all sockets of the context share, waits until
// an event is taken.
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

// Next waits for the next outcome: "succeeded", "refused: STATUS", "protocol: CODE",
// or "no detail" where libzmq knows none.
func (e Events) Next(t testing.TB) string {
	t.Helper()
	event, _, value, err := e.sock.RecvEvent(0)
	ztest.Must(t, err)
	return outcome(event, value)
}

// None fails the test if there is an outcome that Next hasn't returned.
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
