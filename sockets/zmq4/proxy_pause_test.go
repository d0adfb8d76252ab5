package zmq4

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
)

// endless is a socket that always has a message, and takes all.
type endless struct {
	Socket
	sent atomic.Int64
}

func (*endless) Type() SocketType                      { return Dealer }
func (*endless) recv(context.Context) (Msg, error)     { return NewMsg(nil), nil }
func (e *endless) send(_ context.Context, _ Msg) error { e.sent.Add(1); return nil }

// TestProxyRests forwards nothing between the return of Pause and Resume, and after Run
// has returned, however fast messages arrive.
func TestProxyRests(t *testing.T) {
	t.Parallel()
	front, back := new(endless), new(endless)
	p := NewProxy(t.Context(), front, back, nil)
	still := func(when string) {
		t.Helper()
		before := front.sent.Load() + back.sent.Load()
		for range 5 {
			time.Sleep(time.Millisecond) // time for a proxy that is wrong
			if after := front.sent.Load() + back.sent.Load(); after != before {
				t.Fatalf("%s: %d messages were forwarded", when, after-before)
			}
		}
	}
	for range 10 {
		p.Pause()
		still("paused")
		before := front.sent.Load() + back.sent.Load()
		p.Resume()
		ztest.Wait(t, "forwarding after Resume", func() bool { return front.sent.Load()+back.sent.Load() > before })
	}
	p.Kill()
	ztest.Must(t, p.Run())
	still("killed")
}
