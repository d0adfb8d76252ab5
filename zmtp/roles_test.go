package zmtp_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// listenAsClient listens with a socket whose peers are servers.
func listenAsClient(t *testing.T, cfg zmtp.Config) (*zmtp.Listener, string) {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := zmtp.NewClientListener(nl, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln, nl.Addr().String()
}

func TestClientListener(t *testing.T) {
	t.Parallel()
	key, server := curve.GenerateKey(), curve.GenerateKey()
	admit := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("alice") })
	for _, mechanism := range []string{zap.Null, zap.Plain, zap.Curve} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			ln, addr := listenAsClient(t, zmtp.Config{SocketType: "PULL", Mechanism: mechanism, Key: key, ServerKey: server.Public(),
				Username: "alice", Password: zap.NewPassword("secret")})
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			c, err := zmtp.Server(t.Context(), nc, zmtp.Config{SocketType: "PUSH", Mechanism: mechanism, Key: server, Handler: admit})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if c.User().ID != "alice" {
				t.Errorf("user %q", c.User().ID)
			}
			accepted, err := ln.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.CloseNow()
			if mechanism == zap.Curve && accepted.User().Key != server.Public() {
				t.Error("the listener does not know the server's key")
			}
			if err := c.Send(t.Context(), []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if message, err := accepted.Recv(t.Context()); err != nil || string(message[0]) != "hello" {
				t.Errorf("received %q, %v", message, err)
			}
		})
	}
}

func TestClientListenerRefusesKey(t *testing.T) {
	t.Parallel()
	if _, err := zmtp.NewClientListener(nil, zmtp.Config{SocketType: "PULL", Mechanism: zap.Curve, Key: curve.GenerateKey()}); err == nil {
		t.Error("no error without the server's key")
	}
	ln, _ := listenAsClient(t, zmtp.Config{SocketType: "PULL", Mechanism: zap.Curve, Key: curve.GenerateKey(), ServerKey: curve.GenerateKey().Public()})
	if err := ln.SetKey(curve.GenerateKey()); err == nil {
		t.Error("SetKey succeeded on a client")
	}
}

// A listener reports each failed handshake, and both sides know the types that do not fit.
func TestFailed(t *testing.T) {
	t.Parallel()
	failures := make(chan error, 1)
	ln, err := zmtp.Listen(t.Context(), "tcp://127.0.0.1:0", zmtp.Config{SocketType: "PULL", Mechanism: zap.Null,
		Failed: func(peer net.Addr, err error) {
			if peer == nil {
				t.Error("no address")
			}
			failures <- err
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = zmtp.Dial(t.Context(), ln.Endpoint(), zmtp.Config{SocketType: "SUB", Mechanism: zap.Null})
	if types, ok := errors.AsType[*zmtp.SocketTypeError](err); !ok || *types != (zmtp.SocketTypeError{Ours: "SUB", Theirs: "PULL"}) || !errors.Is(err, zmtp.ErrIncompatible) {
		t.Errorf("the client got %v", err)
	}
	err = <-failures
	if types, ok := errors.AsType[*zmtp.SocketTypeError](err); !ok || *types != (zmtp.SocketTypeError{Ours: "PULL", Theirs: "SUB"}) {
		t.Errorf("the listener got %v", err)
	}
}
