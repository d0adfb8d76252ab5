//go:build cgo && unix

package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestInteropRefusedByUs checks what libzmq's monitor reports when this package's
// server refuses its application, and what the server logs.
func TestInteropRefusedByUs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(client, server *zmtp.Config)
		event  string
		log    string
	}{
		{"400", func(_, server *zmtp.Config) { server.Handler = answer(zap.StatusRefused, "unknown key") },
			"refused: 400", "unknown key"},
		{"PLAIN", func(client, server *zmtp.Config) {
			*client, *server = configs(zap.Plain, "REQ", "REP")
			server.Handler = answer(zap.StatusRefused, "unknown login")
		}, "protocol: 0x10000001", "unknown login"},
		{"500", func(_, server *zmtp.Config) { server.Handler = answer(zap.StatusError, "broken") },
			"refused: 500", "broken"},
		{"wrong server key", func(client, _ *zmtp.Config) { client.ServerKey = curve.GenerateKey().Public() },
			"no detail", "box does not open"},
		{"mechanism", func(client, _ *zmtp.Config) { client.Mechanism = zap.Null },
			"protocol: 0x11000002", "mechanism mismatch: this side uses CURVE, the peer NULL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := configs(zap.Curve, "REQ", "REP")
			tt.change(&client, &server)
			log := new(ztest.Log)
			server.Log = log.Logger()
			ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
			ztest.Must(t, err)
			t.Cleanup(func() { ln.Close() }) // after the socket, which keeps connecting
			sock := libzmqSocket(t, "REQ", client, server, false)
			zctx, err := sock.Context()
			ztest.Must(t, err)
			events := zmqtest.Monitor(t, zctx, sock)
			ztest.Must(t, sock.Connect(ln.Endpoint()))
			if event := events.Next(t); event != tt.event {
				t.Errorf("libzmq's monitor says %s, want %s", event, tt.event)
			}
			wantLogged(t, log, tt.log)
		})
	}
}

// TestInteropRefusedByLibzmq checks the error of this package's client when libzmq's
// server refuses it.
func TestInteropRefusedByLibzmq(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		for _, status := range []zap.Status{zap.StatusRefused, zap.StatusError} {
			t.Run(fmt.Sprint(mechanism, status), func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "REQ", "REP")
				server.Handler = answer(status, "no")
				_, err := dialLibzmq(t, client, server)
				var refused *zmtp.RefusedError
				if !errors.As(err, &refused) || refused.Reply.Status != status {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	t.Run("wrong server key", func(t *testing.T) {
		t.Parallel()
		client, server := configs(zap.Curve, "REQ", "REP")
		client.ServerKey = curve.GenerateKey().Public()
		if _, err := dialLibzmq(t, client, server); !errors.Is(err, zmtp.ErrServerKey) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("mechanism", func(t *testing.T) {
		t.Parallel()
		client, server := configs(zap.Curve, "REQ", "REP")
		null := client
		null.Mechanism = zap.Null
		_, err := dialLibzmqAs(t, null, client, server)
		if !errors.Is(err, zmtp.ErrIncompatible) || !strings.HasSuffix(err.Error(), "this side uses NULL, the peer CURVE") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("300", func(t *testing.T) {
		t.Parallel()
		client, server := configs(zap.Curve, "REQ", "REP")
		server.Handler = answer(zap.StatusTryLater, "later")
		sock := libzmqSocket(t, "REP", client, server, true)
		zctx, err := sock.Context()
		ztest.Must(t, err)
		events := zmqtest.Monitor(t, zctx, sock)
		endpoint := zmqtest.Bind(t, sock, "tcp")
		ctx, cancel := context.WithCancel(ztest.Context(t))
		defer cancel()
		dialled := make(chan error, 1)
		go func() {
			_, err := zmtp.Dial(ctx, endpoint, client)
			dialled <- err
		}()
		if event := events.Next(t); event != "refused: 300" {
			t.Errorf("libzmq's monitor says %s", event)
		}
		// libzmq leaves the client hanging, or closes the connection.
		cancel()
		err = ztest.Receive(t, "the end of the dial", dialled)
		if !errors.Is(err, context.Canceled) && !errors.Is(err, zmtp.ErrTryAgain) {
			t.Errorf("got %v", err)
		}
	})
}

func dialLibzmq(t *testing.T, client, server zmtp.Config) (*zmtp.Conn, error) {
	return dialLibzmqAs(t, client, client, server)
}

// dialLibzmqAs dials the libzmq server of a pair with the configuration own.
func dialLibzmqAs(t *testing.T, cfg, client, server zmtp.Config) (*zmtp.Conn, error) {
	t.Helper()
	sock := libzmqSocket(t, server.SocketType, client, server, true)
	conn, err := zmtp.Dial(ztest.Context(t), zmqtest.Bind(t, sock, "tcp"), cfg)
	if err == nil {
		conn.Close()
	}
	return conn, err
}
