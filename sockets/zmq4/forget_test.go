package zmq4

import (
	"context"
	"fmt"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestForget lets subscribers come and go at an XPUB whose program never calls Recv.
func TestForget(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	xpub := newSocket(ctx, XPub, []Option{WithLogger(nil)})
	defer xpub.Close()
	ztest.Must(t, xpub.Listen("tcp://127.0.0.1:*"))
	count := func() (pipes, active, topics int) {
		xpub.mu.Lock()
		defer xpub.mu.Unlock()
		return len(xpub.pipes), xpub.active.len(), len(xpub.pattern.(*publish).list())
	}
	for range 10 {
		sub := NewSub(context.WithoutCancel(ctx), WithLogger(nil))
		for i := range 20 {
			ztest.Must(t, sub.SetOption(OptionSubscribe, fmt.Sprint(i)))
		}
		ztest.Must(t, sub.Dial("tcp://"+xpub.Addr().String()), sub.SetOption(OptionUnsubscribe, "19"))
		ztest.Wait(t, "the subscriptions", func() bool { _, _, topics := count(); return topics == 19 })
		sub.Close()
		ztest.Wait(t, "the end of the connection", func() bool { pipes, _, _ := count(); return pipes == 0 })
	}
	if _, active, _ := count(); active != 0 {
		t.Errorf("%d lost subscribers are kept", active)
	}
}
