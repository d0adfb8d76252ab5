package zmtp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// failure is a call of Config.Failed.
type failure struct {
	peer net.Addr
	err  error
}

// clientListener returns a client that listens on TCP, and the calls of its Failed.
func clientListener(t *testing.T, client zmtp.Config) (*zmtp.Listener, <-chan failure) {
	t.Helper()
	failures := make(chan failure, 10)
	client.Failed = func(peer net.Addr, err error) { failures <- failure{peer, err} }
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	ln, err := zmtp.NewClientListener(nl, client)
	ztest.Must(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln, failures
}

// dialAsServer connects to a client that listens.
func dialAsServer(t *testing.T, ln *zmtp.Listener, server zmtp.Config) (*zmtp.Conn, error) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
	ztest.Must(t, err)
	conn, err := zmtp.Server(ztest.Context(t), nc, server)
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, err
}

// TestClientListener checks that servers can connect to a client, with each mechanism.
func TestClientListener(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "PULL", "PUSH")
		ln, _ := clientListener(t, client)
		for range 2 {
			s, err := dialAsServer(t, ln, server)
			ztest.Must(t, err)
			c, err := ln.Accept(ztest.Context(t))
			ztest.Must(t, err)
			if mechanism == zap.Curve && (c.User().Key != server.Key.Public() || s.User().Key != client.Key.Public()) {
				t.Error("the keys are not proved")
			}
			ztest.Must(t, s.Send(ztest.Context(t), []byte("hello")))
			if m, err := c.Recv(ztest.Context(t)); err != nil || string(m[0]) != "hello" {
				t.Errorf("%s: got %q, %v", mechanism, m, err)
			}
			c.CloseNow()
		}
		if err := ln.SetKey(curve.GenerateKey()); err == nil {
			t.Error("a client took the key of a server")
		}
	}
}

// TestClientListenerConfig checks that an invalid Config leaves the net.Listener open.
func TestClientListenerConfig(t *testing.T) {
	t.Parallel()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	if _, err := zmtp.NewClientListener(nl, zmtp.Config{SocketType: "SUB", Mechanism: zap.Curve, Key: curve.GenerateKey()}); !errors.Is(err, zmtp.ErrConfig) {
		t.Errorf("without ServerKey: %v", err)
	}
	ztest.Must(t, nl.Close())
}

// TestFailed checks that a Listener reports each failed handshake, with its peer, and
// goes on.
func TestFailed(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "PULL", "PUSH")
	ln, failures := clientListener(t, client)
	want := func(kind error) {
		t.Helper()
		f := ztest.Receive(t, "a call of Failed", failures)
		if !errors.Is(f.err, kind) || f.peer == nil || !strings.HasPrefix(f.err.Error(), "zmtp: handshake with "+f.peer.String()+": ") {
			t.Errorf("got %v, %v, want %v", f.peer, f.err, kind)
		}
	}
	dial := func(change func(*zmtp.Config)) {
		t.Helper()
		cfg := server
		change(&cfg)
		if _, err := dialAsServer(t, ln, cfg); err == nil {
			t.Error("the handshake succeeded")
		}
	}
	for range 3 { // unlike the log, every time
		dial(func(s *zmtp.Config) { s.Key = curve.GenerateKey() })
		want(zmtp.ErrServerKey)
	}
	dial(func(s *zmtp.Config) { s.Mechanism = zap.Null })
	want(zmtp.ErrIncompatible)
	dial(func(s *zmtp.Config) { s.SocketType = "REP" })
	want(zmtp.ErrIncompatible)
	nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
	ztest.Must(t, err, nc.Close())
	f := ztest.Receive(t, "a call of Failed", failures)
	if errors.Is(f.err, zmtp.ErrTryAgain) || !strings.Contains(f.err.Error(), "before its greeting") {
		t.Errorf("closed without a byte: %v", f.err)
	}
	if _, err := dialAsServer(t, ln, server); err != nil {
		t.Error(err)
	}
}

// TestFailedOfServer checks that a server reports a client that its handler refused.
func TestFailedOfServer(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "PUSH", "PULL")
	server.Handler = answer(zap.StatusRefused, "no")
	failures := make(chan error, 1)
	server.Failed = func(_ net.Addr, err error) { failures <- err }
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	t.Cleanup(func() { ln.Close() })
	if _, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client); err == nil {
		t.Error("admitted")
	}
	err = ztest.Receive(t, "a call of Failed", failures)
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); !ok || refused.Key != client.Key.Public() {
		t.Errorf("got %v", err)
	}
}

// TestFailedNotByClose checks that Close reports no failure.
func TestFailedNotByClose(t *testing.T) {
	t.Parallel()
	client, _ := configs(zap.Null, "PULL", "PUSH")
	ln, failures := clientListener(t, client)
	nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
	ztest.Must(t, err)
	defer nc.Close()
	_, err = io.ReadFull(nc, make([]byte, 11)) // the handshake is in progress
	ztest.Must(t, err, ln.Close())
	select {
	case f := <-failures:
		t.Errorf("got %v", f.err)
	default:
	}
	if _, err := ln.Accept(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
