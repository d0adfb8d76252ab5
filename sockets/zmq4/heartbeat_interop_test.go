//go:build cgo && unix

package zmq4_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	libzmq4 "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zmtp"
)

// beating waits until heartbeats have passed a relay, over one connection.
func beating(t *testing.T, r *relay) {
	t.Helper()
	_, before := r.state()
	ztest.Wait(t, "heartbeats", func() bool { _, now := r.state(); return now > before+500 })
	if n, _ := r.state(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestHeartbeatInterop exchanges heartbeats with libzmq. Each side keeps a peer that answers,
// and drops one that is silent: libzmq by its timeout, and we by ours, or by the time that
// libzmq has announced.
func TestHeartbeatInterop(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	const interval, timeout = 20 * time.Millisecond, 2 * time.Second
	for name, test := range map[string]struct {
		ours []zmq4.Option
		set  func(sock *libzmq4.Socket) error
		lost bool // we notice
	}{
		"from us": {[]zmq4.Option{zmq4.WithHeartbeat(interval, timeout)}, func(*libzmq4.Socket) error { return nil }, true},
		"from libzmq": {nil, func(sock *libzmq4.Socket) error {
			return errors.Join(sock.SetHeartbeatIvl(interval), sock.SetHeartbeatTimeout(timeout))
		}, false},
		"from libzmq, with a time to live": {nil, func(sock *libzmq4.Socket) error {
			return errors.Join(sock.SetHeartbeatIvl(interval), sock.SetHeartbeatTimeout(ztest.Patience), sock.SetHeartbeatTtl(timeout))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lost, losses := eventsOf(sockets.Lost)
			pull := open(t, zmq4.NewPull, append(test.ours, lost)...)
			r := newRelay(t, strings.TrimPrefix(listen(t, pull, "tcp"), "tcp://"))
			sock := zmqtest.NewSocket(t, zmqtest.NewContext(t), libzmq4.PUSH)
			ztest.Must(t, test.set(sock), sock.Connect(r.endpoint()))
			_, err := sock.Send("hello", 0)
			ztest.Must(t, err)
			wantMsg(t, pull, "hello")
			beating(t, r)
			r.swallow()
			if !test.lost {
				ztest.Wait(t, "libzmq's next connection", func() bool { n, _ := r.state(); return n > 1 })
				return
			}
			if e := ztest.Receive(t, "the end of the connection", losses); !errors.Is(e.Err, zmtp.ErrHeartbeat) {
				t.Errorf("lost: %v", e)
			}
		})
	}
}
