package zmq4_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestContexts ends Send and Recv by a context, and leaves the socket as it was.
func TestContexts(t *testing.T) {
	t.Parallel()
	push, pull := open(t, zmq4.NewPush), open(t, zmq4.NewPull)
	at := listen(t, pull, "tcp")
	short, cancel := context.WithTimeout(ztest.Context(t), time.Millisecond)
	defer cancel()
	if err := zmq4.SendContext(short, push, zmq4.NewMsgString("lost")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send without a peer: %v", err)
	}
	if err := zmq4.TrySend(push, zmq4.NewMsgString("lost")); err != zmq4.ErrAgain {
		t.Errorf("Send at once without a peer: %v", err)
	}
	if _, err := zmq4.RecvContext(short, pull); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Recv without a message: %v", err)
	}
	if _, err := zmq4.TryRecv(pull); err != zmq4.ErrAgain {
		t.Errorf("Recv at once without a message: %v", err)
	}
	ztest.Must(t, push.Dial(at), zmq4.TrySend(push, zmq4.NewMsgString("one")), zmq4.SendContext(ztest.Context(t), push, zmq4.NewMsgString("two")))
	for _, want := range []string{"one", "two"} {
		msg, err := zmq4.RecvContext(ztest.Context(t), pull)
		if err != nil || string(msg.Bytes()) != want {
			t.Errorf("got %v, %v, want %s", msg, err, want)
		}
	}
	pull.Close()
	if _, err := zmq4.RecvContext(ztest.Context(t), pull); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv of a closed socket: %v", err)
	}
}

// TestForeignSocket gives sockets of other packages to the functions for ours.
func TestForeignSocket(t *testing.T) {
	t.Parallel()
	foreign := struct{ zmq4.Socket }{open(t, zmq4.NewPush)}
	_, recv := zmq4.RecvContext(ztest.Context(t), foreign)
	_, tryRecv := zmq4.TryRecv(foreign)
	for _, err := range []error{recv, tryRecv, zmq4.SendContext(ztest.Context(t), foreign, zmq4.NewMsgString("")), zmq4.TrySend(foreign, zmq4.NewMsgString(""))} {
		if err == nil || errors.Is(err, zmq4.ErrAgain) {
			t.Errorf("got %v", err)
		}
	}
}
