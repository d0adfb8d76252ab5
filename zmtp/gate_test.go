package zmtp_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestHandlerFails checks that a handler that panics, or returns an invalid reply,
// fails for that client only. The client is refused, and the log says why.
func TestHandlerFails(t *testing.T) {
	t.Parallel()
	ok := func(change func(*zap.Reply)) zap.Reply {
		reply := zap.Reply{Status: zap.StatusOK, UserID: "alice"}
		change(&reply)
		return reply
	}
	for name, tt := range map[string]struct {
		decide func() zap.Reply
		log    string
	}{
		"panics":    {func() zap.Reply { panic("out of luck") }, "out of luck"},
		"no status": {func() zap.Reply { return zap.Reply{} }, "status 0"},
		"user id":   {func() zap.Reply { return ok(func(r *zap.Reply) { r.UserID = "alice\r\nbob" }) }, "user id"},
		"named User-Id": {func() zap.Reply {
			return ok(func(r *zap.Reply) { r.Metadata = zap.Metadata{{Name: "User-Id", Value: "root"}} })
		}, "reserved"},
	} {
		for _, mechanism := range mechanisms {
			t.Run(name+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "REQ", "REP")
				var log ztest.Log
				server.Log = log.Logger()
				server.Handler = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return tt.decide() })
				a, b := net.Pipe()
				c, s := shake(ztest.Context(t), a, b, client, server)
				var refused *zmtp.RefusedError
				if !errors.As(c.err, &refused) || refused.Reply.Status != zap.StatusError {
					t.Errorf("the client got %v", c.err)
				}
				var denied *zmtp.RefusedError
				if !errors.As(s.err, &denied) || denied.Reply.Status != zap.StatusError || denied.Reply.UserID != "" {
					t.Errorf("the server got %v", s.err)
				}
				if log.Count("the handler failed", tt.log) != 1 || strings.Contains(log.String(), "secret") {
					t.Errorf("log:\n%s", &log)
				}
			})
		}
	}
}

// TestHandlerIgnoresContext checks that a handler that never returns delays neither
// the client, which is told to try later, nor Close.
func TestHandlerIgnoresContext(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "REQ", "REP")
	entered, release, left := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	server.Handler = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		defer func() { left <- struct{}{} }()
		entered <- struct{}{}
		<-release
		return zap.Reply{Status: zap.StatusOK}
	})
	server.HandshakeTimeout = 200 * time.Millisecond // once the handler is asked it has to end
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	ztest.Wait(t, "the handler is asked", func() bool { // on a busy machine the time may be over before
		_, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client)
		if len(entered) == 1 && !errors.Is(err, zmtp.ErrTryAgain) {
			t.Errorf("the client got %v", err)
		}
		return len(entered) == 1
	})
	closed := make(chan error)
	go func() { closed <- ln.Close() }()
	ztest.Must(t, ztest.Receive(t, "Close returns", closed))
	close(release)
	ztest.Receive(t, "the handler returns", left)
}

// TestPeerLeaves checks that a server's log says how far a client got that left during
// the handshake.
func TestPeerLeaves(t *testing.T) {
	t.Parallel()
	hello := append([]byte{4, 5 + 1 + 2 + 2}, "\x05HELLO\x01a\x01b"...)
	for name, tt := range map[string]struct {
		mechanism string
		sent      []byte
		want      string
	}{
		"PLAIN, greeting": {zap.Plain, nil, "the peer left during the handshake, after its greeting: EOF"},
		"CURVE, greeting": {zap.Curve, nil, "the peer left during the handshake, after its greeting: EOF"},
		"NULL, greeting":  {zap.Null, nil, "the peer left during the handshake, after its greeting: EOF"},
		"PLAIN, HELLO":    {zap.Plain, hello, "the peer left during the handshake, after HELLO: EOF"},
		"PLAIN, cut off":  {zap.Plain, append(hello[:len(hello):len(hello)], 4, 9, 'x'), "the peer left during the handshake, after HELLO: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, server := configs(tt.mechanism, "REQ", "REP")
			var log ztest.Log
			server.Log = log.Logger()
			ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
			ztest.Must(t, err)
			defer ln.Close()
			nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
			ztest.Must(t, err)
			defer nc.Close()
			greeting := make([]byte, 64)
			copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01"+tt.mechanism)
			_, err = nc.Write(append(greeting, tt.sent...))
			ztest.Must(t, err, nc.(*net.TCPConn).CloseWrite())
			ztest.Wait(t, "a line in the log", func() bool { return log.Count("handshake failed", tt.want) == 1 })
			if log.Count("try again") != 0 {
				t.Errorf("the server is told to try again:\n%s", &log)
			}
		})
	}
}
