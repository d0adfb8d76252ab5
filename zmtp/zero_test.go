package zmtp_test

import (
	"errors"
	"net"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zmtp"
)

// TestZeroValues checks that zero values return errors: they neither panic nor wait.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	var conn zmtp.Conn
	var ln zmtp.Listener
	for name, call := range map[string]func() error{
		"Send":        func() error { return conn.Send(ctx, []byte("x")) },
		"Queue":       func() error { return conn.Queue(ctx, []byte("x")) },
		"Flush":       func() error { return conn.Flush(ctx) },
		"Subscribe":   func() error { return conn.Subscribe(ctx, nil) },
		"Unsubscribe": func() error { return conn.Unsubscribe(ctx, nil) },
		"Recv":        func() error { _, err := conn.Recv(ctx); return err },
		"RecvBatch":   func() error { _, err := conn.RecvBatch(ctx); return err },
		"Accept":      func() error { _, err := ln.Accept(ctx); return err },
		"SetKey":      func() error { return ln.SetKey(curve.GenerateKey()) },
	} {
		if err := call(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if conn.RemoteAddr() != nil || conn.User().ID != "" || conn.Claims() != nil || ln.Endpoint() != "" {
		t.Error("the zero values know a peer or an endpoint")
	}
	for range 2 {
		if err := errors.Join(conn.Close(), conn.CloseNow(), ln.Close()); err != nil {
			t.Error(err)
		}
	}
	if err := new(zmtp.Config).CheckClient(); !errors.Is(err, zmtp.ErrConfig) {
		t.Errorf("a zero Config: got %v", err)
	}
	if new(zmtp.RefusedError).Error() == "" {
		t.Error("the zero RefusedError says nothing")
	}
}
