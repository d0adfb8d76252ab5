package zmtp_test

import (
	"errors"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestSetKey checks that a listener with a new key uses it for new handshakes, keeps
// its connections, and refuses an invalid key without a change.
func TestSetKey(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	client, server := configs(zap.Curve, "REQ", "REP")
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()
	before, err := zmtp.Dial(ctx, ln.Endpoint(), client)
	ztest.Must(t, err)
	defer before.Close()
	accepted, err := ln.Accept(ctx)
	ztest.Must(t, err)
	defer accepted.Close()

	if err := ln.SetKey(curve.SecretKey{}); !errors.Is(err, zmtp.ErrConfig) {
		t.Errorf("no key: %v", err)
	}
	next := curve.GenerateKey()
	ztest.Must(t, ln.SetKey(next))
	if _, err := zmtp.Dial(ctx, ln.Endpoint(), client); !errors.Is(err, zmtp.ErrServerKey) {
		t.Errorf("by the old key: %v", err)
	}
	client.ServerKey = next.Public()
	after, err := zmtp.Dial(ctx, ln.Endpoint(), client)
	ztest.Must(t, err)
	defer after.Close()
	ztest.Must(t, before.Send(ctx, nil, []byte("still here")))
	if message, err := accepted.Recv(ctx); err != nil || string(message[1]) != "still here" {
		t.Errorf("the old connection: %q, %v", message, err)
	}

	_, null := configs(zap.Null, "REQ", "REP")
	other, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", null)
	ztest.Must(t, err)
	defer other.Close()
	if err := other.SetKey(next); !errors.Is(err, zmtp.ErrConfig) {
		t.Errorf("NULL: %v", err)
	}
}
