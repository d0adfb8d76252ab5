package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// null is the link of a socket that its mode protects.
var null = zmtp.Config{Mechanism: zap.Null}

// echo answers each request with itself and the asker.
func echo(_ context.Context, asker string, req control.Request) (any, error) {
	switch req.Command {
	case control.CommandDeny:
		return nil, &control.Error{Code: control.CodeNotFound, Text: "nobody", Hint: "look"}
	case control.CommandAudit:
		return nil, errors.New("disk full")
	}
	return map[string]any{"asker": asker, "request": req}, nil
}

// serve opens a door until the test ends, and returns its endpoint.
func serve(t *testing.T, handle control.Handler) string {
	t.Helper()
	at := "ipc://" + filepath.Join(t.TempDir(), "control")
	ln, err := control.Listen(t.Context(), at, null)
	ztest.Must(t, err)
	ztest.Background(t, func(ctx context.Context) error {
		return control.Serve(ctx, ln, handle, slog.New(slog.DiscardHandler))
	})
	return at
}

func dial(t *testing.T, at string) *control.Client {
	t.Helper()
	c, err := control.Dial(ztest.Context(t), at, null)
	ztest.Must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// works expects the door to answer.
func works(t *testing.T, at string) {
	t.Helper()
	answer, err := dial(t, at).Ask(ztest.Context(t), control.Request{Command: control.CommandStatus})
	if err != nil || !strings.Contains(string(answer), `"command":"status"`) {
		t.Errorf("%s, %v", answer, err)
	}
}

// TestAsk: a client receives results, and errors with their codes.
func TestAsk(t *testing.T) {
	t.Parallel()
	ctx, at := ztest.Context(t), serve(t, echo)
	c := dial(t, at)
	works(t, at)
	answer, err := c.Ask(ctx, control.Request{Command: control.CommandAdmit, Client: "<&>", Name: "alice", Groups: []string{"a"}})
	if err != nil || !strings.Contains(string(answer), `"asker":"ipc`) || !strings.Contains(string(answer), `"client":"<&>","name":"alice","groups":["a"]`) {
		t.Errorf("%s, %v", answer, err)
	}
	for want, req := range map[control.Error]control.Request{
		{Code: control.CodeNotFound, Text: "nobody", Hint: "look"}:                       {Command: control.CommandDeny, Client: "x"},
		{Code: control.CodeFailed, Text: "disk full"}:                                    {Command: control.CommandAudit, State: "on"},
		{Code: control.CodeMalformed, Text: `malformed request: unknown command "undo"`}: {Command: "undo"},
		{Code: control.CodeMalformed, Text: `malformed request: deny requires client`}:   {Command: control.CommandDeny},
	} {
		_, err := c.Ask(ctx, req)
		var failed *control.Error
		if !errors.As(err, &failed) || *failed != want {
			t.Errorf("%v: %v, want %v", req, err, want)
		}
	}
}

// TestHostileText: a reply has no character that a terminal could act on, and means the same.
func TestHostileText(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[2J\x7f\u009b31m\u202e\u2028\U000e0001ü😀"
	answer, err := dial(t, serve(t, echo)).Ask(ztest.Context(t), control.Request{Command: control.CommandClients, Search: hostile})
	ztest.Must(t, err)
	var got struct{ Request control.Request }
	if err := json.Unmarshal(answer, &got); err != nil || got.Request.Search != hostile {
		t.Errorf("%+q, %v", got.Request.Search, err)
	}
	if strings.ContainsFunc(string(answer), func(r rune) bool { return !unicode.IsPrint(r) }) || !strings.Contains(string(answer), "ü😀") {
		t.Errorf("%+q", answer)
	}
}

// TestEnvelope: what a DEALER puts before its request comes back before the reply.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	ctx, at := ztest.Context(t), serve(t, echo)
	cfg := null
	cfg.SocketType = "DEALER"
	conn, err := zmtp.Dial(ctx, at, cfg)
	ztest.Must(t, err)
	defer conn.CloseNow()
	request := []byte(`{"version":1,"command":"status"}`)
	for _, envelope := range [][][]byte{nil, {nil}, {[]byte("7"), nil}} {
		ztest.Must(t, conn.Send(ctx, append(envelope, request)...))
		frames, err := conn.Recv(ctx)
		ztest.Must(t, err)
		if len(frames) != len(envelope)+1 || fmt.Sprint(frames[:len(envelope)]) != fmt.Sprint(envelope) || !json.Valid(frames[len(envelope)]) {
			t.Errorf("%q became %q", envelope, frames)
		}
	}
}

// TestRubbish: 10,000 requests of rubbish get a reply each, and the door works as before. A
// message that is too large ends its own connection only.
func TestRubbish(t *testing.T) {
	t.Parallel()
	ctx, at := ztest.Context(t), serve(t, echo)
	cfg := null
	cfg.SocketType = "DEALER"
	conn, err := zmtp.Dial(ctx, at, cfg)
	ztest.Must(t, err)
	defer conn.CloseNow()
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		text := make([]byte, random.IntN(100))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		ztest.Must(t, conn.Send(ctx, nil, text))
		reply, err := conn.Recv(ctx)
		if err != nil || !strings.Contains(string(reply[1]), `"code":"malformed"`) {
			t.Fatalf("%q: %q, %v", text, reply, err)
		}
	}
	works(t, at)
	for _, message := range [][][]byte{{make([]byte, control.MaxRequest+1)}, make([][]byte, 100)} {
		large, err := zmtp.Dial(ctx, at, cfg)
		ztest.Must(t, err)
		defer large.CloseNow()
		large.Send(ctx, message...)
		if reply, err := large.Recv(ctx); err == nil {
			t.Errorf("a message of %d frames got %q", len(message), reply)
		}
	}
	works(t, at)
}

// TestCrowd: a peer that reads nothing and one whose request takes long delay no other, and
// connections beyond the limit are closed.
func TestCrowd(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	began, release := make(chan struct{}), make(chan struct{})
	at := serve(t, func(ctx context.Context, asker string, req control.Request) (any, error) {
		switch req.Command {
		case control.CommandPending:
			close(began)
			<-release
		case control.CommandClients:
			return strings.Repeat("x", 1<<20), nil
		}
		return echo(ctx, asker, req)
	})
	slow := dial(t, at)
	done := make(chan error, 1)
	go func() {
		_, err := slow.Ask(ctx, control.Request{Command: control.CommandPending})
		done <- err
	}()
	ztest.Receive(t, "the slow request", began)
	cfg := null
	cfg.SocketType = "DEALER"
	deaf, err := zmtp.Dial(ctx, at, cfg)
	ztest.Must(t, err)
	defer deaf.CloseNow()
	for range 100 {
		ztest.Must(t, deaf.Send(ctx, []byte(`{"version":1,"command":"clients"}`)))
	}
	works(t, at)
	close(release)
	ztest.Must(t, ztest.Receive(t, "the slow answer", done))

	var all []*zmtp.Conn
	for range 70 {
		conn, err := zmtp.Dial(ctx, at, cfg)
		if err == nil {
			defer conn.CloseNow()
			all = append(all, conn)
		}
	}
	closed := 0
	for _, conn := range all {
		conn.Send(ctx, []byte(`{"version":1,"command":"status"}`))
		if _, err := conn.Recv(ctx); err != nil {
			closed++
		}
	}
	if closed < 6 || closed > 10 {
		t.Errorf("%d of %d connections were closed", closed, len(all))
	}
	for _, conn := range all {
		conn.CloseNow()
	}
	ztest.Wait(t, "there is room again", func() bool {
		c, err := control.Dial(ctx, at, null)
		if err != nil {
			return false
		}
		defer c.Close()
		_, err = c.Ask(ctx, control.Request{Command: control.CommandStatus})
		return err == nil
	})
}
