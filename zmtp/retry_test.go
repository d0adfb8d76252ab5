package zmtp_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestRetryable checks for every way in which a handshake fails whether it is worth
// trying again.
func TestRetryable(t *testing.T) {
	t.Parallel()
	refuses := func(reply zap.Reply) func(c, s *zmtp.Config) {
		return func(_, s *zmtp.Config) {
			s.Handler = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply })
		}
	}
	for name, tt := range map[string]struct {
		change func(client, server *zmtp.Config)
		server bool // the server's error is looked at, not the client's
		want   bool
	}{
		"300":               {refuses(zap.Reply{Status: zap.StatusTryLater}), false, true},
		"300 on the server": {refuses(zap.Reply{Status: zap.StatusTryLater}), true, true},
		"400":               {refuses(zap.Refuse("no")), false, false},
		"400 on the server": {refuses(zap.Refuse("no")), true, false},
		"500":               {refuses(zap.Reply{Status: zap.StatusError}), false, true},
		"server key":        {func(c, _ *zmtp.Config) { c.ServerKey = curve.GenerateKey().Public() }, false, false},
		"HELLO for another": {func(c, _ *zmtp.Config) { c.ServerKey = curve.GenerateKey().Public() }, true, false},
		"mechanism":         {func(c, _ *zmtp.Config) { c.Mechanism = zap.Null }, false, false},
		"socket type":       {func(c, _ *zmtp.Config) { c.SocketType = "PUB" }, false, false},
		"peer's type":       {func(c, _ *zmtp.Config) { c.SocketType = "PUB" }, true, false},
		"limit":             {func(c, s *zmtp.Config) { c.RoutingID, s.MaxMetadataSize = make([]byte, 255), 10; c.RoutingID[0] = 1 }, true, false},
		"no time": {func(c, s *zmtp.Config) {
			c.HandshakeTimeout, s.HandshakeTimeout = 20*time.Millisecond, 20*time.Millisecond
			s.Handler = zap.HandlerFunc(func(ctx context.Context, _ *zap.Request) zap.Reply { <-ctx.Done(); return zap.Reply{} })
		}, false, true},
		"no config": {func(c, _ *zmtp.Config) { c.SocketType = "" }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := configs(zap.Curve, "REQ", "ROUTER")
			tt.change(&client, &server)
			a, b := net.Pipe()
			c, s := shake(ztest.Context(t), a, b, client, server)
			err := c.err
			if tt.server {
				err = s.err
			}
			if err == nil || zmtp.Retryable(err) != tt.want {
				t.Errorf("%v: retryable: %v", err, !tt.want)
			}
		})
	}
	client, _ := configs(zap.Curve, "DEALER", "ROUTER")
	for sent, want := range map[string]bool{
		"":                                 true, // a server that starts or stops
		string(greetingOf("CURVE")[:40]):   true,
		string(greetingOf("CURVE")[:20]):   false, // as libzmq ends the greeting of another mechanism
		"HTTP/1.1 400 Bad Request\r\n\r\n": false,
		string(greetingOf("CURVE")) + "\x04\x01x":      false,
		string(greetingOf("CURVE")) + "\x04\x03\x02no": false,
	} {
		a, b := net.Pipe()
		go func() {
			go io.Copy(io.Discard, b)
			io.WriteString(b, sent)
			if len(sent) < 64 {
				b.Close()
			}
		}()
		if _, err := zmtp.Client(ztest.Context(t), a, client); err == nil || zmtp.Retryable(err) != want {
			t.Errorf("%q: %v: retryable: %v", sent, err, !want)
		}
	}
	ctx, cancel := context.WithCancel(ztest.Context(t))
	cancel()
	for at, want := range map[string]bool{"tcp://127.0.0.1:1": true, "tcp://*:1": false, "nonsense": false} {
		if _, err := zmtp.Dial(ztest.Context(t), at, client); err == nil || zmtp.Retryable(err) != want {
			t.Errorf("%s: %v: retryable: %v", at, err, !want)
		}
	}
	if _, err := zmtp.Dial(ctx, "tcp://127.0.0.1:1", client); zmtp.Retryable(err) {
		t.Errorf("%v: retryable", err)
	}
	if zmtp.Retryable(nil) {
		t.Error("success is retryable")
	}
}
