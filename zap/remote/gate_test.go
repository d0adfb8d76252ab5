package remote_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// atOnce is a PromptHandler that decides everything at once.
type atOnce struct{ zap.Handler }

func (h atOnce) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	return h.Handle(context.Background(), req), true
}

// TestHandlerPanics: if the handler panics, the request gets status 500, the panic is
// logged, and the server continues.
func TestHandlerPanics(t *testing.T) {
	t.Parallel()
	handler := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		if name, _, _ := req.PlainLogin(); name == "mallory" {
			panic("out of luck")
		}
		return byName(ctx, req)
	})
	for name, h := range map[string]zap.Handler{"slow": handler, "at once": atOnce{handler}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log ztest.Log
			endpoint, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, h, log.Logger())
			client := remotetest.NewHandler(t, remote.Options{}, endpoint)
			for range 3 { // the log counts them, although their stacks differ
				if got := client.Handle(ztest.Context(t), login("mallory")); got.Status != zap.StatusError {
					t.Errorf("got %+v", got)
				}
			}
			if got := client.Handle(ztest.Context(t), login("alice")); got.Status != zap.StatusOK {
				t.Errorf("afterwards: %+v", got)
			}
			if log.Count("level=ERROR", "the ZAP handler failed", "out of luck") != 1 || strings.Contains(log.String(), "secret") {
				t.Errorf("log:\n%s", &log)
			}
		})
	}
}

// TestAsker: each request names the service that sent it.
func TestAsker(t *testing.T) {
	t.Parallel()
	serverKeys, clientKeys := curve.GenerateKey(), curve.GenerateKey()
	billing := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Allow("billing")
	})
	asked := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		return zap.Allow(req.Asker)
	})
	for name, tt := range map[string]struct {
		endpoint       string
		server, client zmtp.Config
		want           string
	}{
		"tcp": {"tcp://127.0.0.1:*", zmtp.Config{}, zmtp.Config{}, "127.0.0.1"},
		"ipc": {remotetest.Endpoint(t), zmtp.Config{}, zmtp.Config{}, "ipc"},
		"CURVE": {"tcp://127.0.0.1:*",
			zmtp.Config{Mechanism: zap.Curve, Key: serverKeys, Handler: billing},
			zmtp.Config{Mechanism: zap.Curve, Key: clientKeys, ServerKey: serverKeys.Public()},
			"127.0.0.1 (billing)"},
	} {
		for kind, h := range map[string]zap.Handler{"slow": asked, "at once": atOnce{asked}} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				endpoint := tt.endpoint
				if name == "ipc" {
					endpoint = remotetest.Endpoint(t)
				}
				at, _ := remotetest.Serve(t, endpoint, tt.server, h, nil)
				client := remotetest.NewHandler(t, remote.Options{Link: tt.client}, at)
				req := login("alice")
				req.Asker = "another" // this field is not sent
				if got := client.Handle(ztest.Context(t), req); got.UserID != tt.want {
					t.Errorf("got %+v, want the asker %q", got, tt.want)
				}
			})
		}
	}
}

// TestBadReply: a request whose reply is malformed gets status 500 at once. A reply
// without a request is logged.
func TestBadReply(t *testing.T) {
	t.Parallel()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	defer nl.Close()
	ctx := ztest.Context(t)
	served := make(chan error, 1)
	go func() { served <- answerBadly(ctx, nl) }()
	var log ztest.Log
	client := remotetest.NewHandler(t, remote.Options{Wait: 10 * ztest.Patience, Log: log.Logger()}, "tcp://"+nl.Addr().String())
	for _, what := range []string{"a text beyond ASCII", "a reserved name"} {
		if got := client.Handle(ctx, login("alice")); got.Status != zap.StatusError || got.Text != "malformed reply" {
			t.Errorf("%s: got %+v", what, got)
		}
	}
	if got := client.Handle(ctx, login("alice")); got.Status != zap.StatusOK {
		t.Errorf("got %+v", got)
	}
	ztest.Must(t, client.Close(), ztest.Receive(t, "the server ends", served))
	for _, words := range [][]string{
		{"malformed ZAP reply", "text is not"}, {"malformed ZAP reply", "metadata named User-Id"},
		{"ZAP reply to an unknown request", "no request has the id 00000000000003e7"}, {"ZAP reply to an unknown request again", "count=1"},
	} {
		if log.Count(words...) != 1 {
			t.Errorf("not one line with %q:\n%s", words, &log)
		}
	}
}

// answerBadly sends malformed replies to two requests, two replies without a request, and
// a valid one.
func answerBadly(ctx context.Context, nl net.Listener) error {
	nc, err := nl.Accept()
	if err != nil {
		return err
	}
	conn, err := zmtp.Server(ctx, nc, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
	if err != nil {
		return err
	}
	for _, replies := range [][][]string{
		{{"", "400", "größer", "", ""}},
		{{"", "200", "OK", "alice", "\x07User-Id\x00\x00\x00\x04root"}},
		{{"\x00\x00\x00\x00\x00\x00\x03\xe7", "200", "OK", "alice", ""}, {"x", "200", "OK", "alice", ""}, {"", "200", "OK", "alice", ""}},
	} {
		request, err := conn.Recv(ctx)
		if err != nil {
			return err
		}
		for _, reply := range replies {
			id := request[2]
			if reply[0] != "" {
				id = []byte(reply[0])
			}
			frames := [][]byte{nil, []byte("1.0"), id}
			for _, frame := range reply[1:] {
				frames = append(frames, []byte(frame))
			}
			if err := conn.Send(ctx, frames...); err != nil {
				return err
			}
		}
	}
	conn.Recv(ctx) // until the client closes the connection
	conn.Close()
	return nil
}
