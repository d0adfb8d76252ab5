package zmtp_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestUnknownCommand checks that neither errors nor logs quote what a peer sends in
// place of a command, which may be a password.
func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Plain, "REQ", "REP")
	for name, tt := range map[string]struct {
		body string
		want string
	}{
		"name too long": {"\x1aHELLO\x05admin\x0ehunter2hunter2", "malformed or unexpected command: got a command with an unknown name of 26 bytes, expected HELLO"},
		"no name":       {"HELLO\x05admin\x0ehunter2hunter2", "malformed or unexpected command: no command name"},
		"another":       {"\x05READY\x07hunter2", "malformed or unexpected command: got READY, expected HELLO"},
	} {
		a, b := net.Pipe()
		go io.Copy(io.Discard, a)
		go a.Write(append(greetingOf("PLAIN"), frame(4, []byte(tt.body))...))
		_, err := zmtp.Server(ztest.Context(t), b, server)
		if err == nil || !errors.Is(err, zmtp.ErrCommand) || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
		a.Close()
	}
}

// TestDecidedFirst checks that a refused client learns nothing else about the server,
// and that the handler is asked, whatever the client's socket type and metadata are.
func TestDecidedFirst(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "PUB", "REP")
		asked := make(chan *zap.Request, 1)
		server.Handler = zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
			asked <- req
			return zap.Refuse("unknown")
		})
		a, b := net.Pipe()
		c, s := shake(ztest.Context(t), a, b, client, server)
		req := ztest.Receive(t, "the handler is asked", asked)
		if key, _ := req.CurveKey(); mechanism == zap.Curve && key != client.Key.Public() {
			t.Errorf("the handler was asked about %v", key)
		}
		var refused *zmtp.RefusedError
		if !errors.As(c.err, &refused) || refused.Reply.Status != zap.StatusRefused {
			t.Errorf("%s: the client got %v", mechanism, c.err)
		}
		var denied *zmtp.RefusedError
		if !errors.As(s.err, &denied) {
			t.Errorf("%s: the server got %v", mechanism, s.err)
		}
	}
}

// TestPeersIdentity checks that a peer's routing id must be one that RFC 37 allows.
func TestPeersIdentity(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Null, "ROUTER", "ROUTER")
	for identity, valid := range map[string]bool{
		"": true, "a": true, "a\x00": true, strings.Repeat("x", 255): true,
		"\x00abcd": false, "\x00": false, strings.Repeat("x", 256): false,
	} {
		claims, err := zap.Metadata{{Name: "Identity", Value: identity}}.Append([]byte("\x05READY"))
		ztest.Must(t, err)
		a, b := net.Pipe()
		go io.Copy(io.Discard, a)
		go a.Write(append(greetingOf("NULL"), frame(4, claims)...))
		conn, err := zmtp.Server(ztest.Context(t), b, server)
		if valid != (err == nil) || !valid && !errors.Is(err, zmtp.ErrCommand) {
			t.Errorf("%q: got %v", identity, err)
		}
		if err == nil {
			conn.Close()
		}
		a.Close()
	}
}

// TestBothClients checks that two connected clients notice each other by the HELLO
// that only a client sends.
func TestBothClients(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{zap.Plain, zap.Curve} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, _ := configs(mechanism, "DEALER", "DEALER")
			a, b := tcpPair(t)
			errs := make(chan error, 2)
			for _, nc := range []net.Conn{a, b} {
				go func() {
					_, err := zmtp.Client(ztest.Context(t), nc, client)
					errs <- err
				}()
			}
			for range 2 {
				err := ztest.Receive(t, "a client gives up", errs)
				if !errors.Is(err, zmtp.ErrBothClients) || !strings.Contains(err.Error(), "the peer is a client too") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// TestHealthChecks checks that connections that are closed without a byte cause no
// warnings.
func TestHealthChecks(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Curve, "REQ", "REP")
	for _, tt := range []struct {
		log   *ztest.Log
		level slog.Level
		want  int
	}{{new(ztest.Log), slog.LevelInfo, 0}, {new(ztest.Log), slog.LevelDebug, 1}} {
		server.Log = slog.New(slog.NewTextHandler(tt.log, &slog.HandlerOptions{Level: tt.level}))
		ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
		ztest.Must(t, err)
		for n := range 100 {
			nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
			ztest.Must(t, err)
			if n%2 == 0 {
				ztest.Must(t, nc.(*net.TCPConn).SetLinger(0)) // so that the listener sees a reset
			}
			ztest.Must(t, nc.Close())
		}
		// When a later one has failed, all of these have been handled.
		nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
		ztest.Must(t, err)
		_, err = nc.Write([]byte("GET /"))
		ztest.Must(t, err)
		wantLogged(t, tt.log, "level=WARN", "does not speak ZMTP")
		ztest.Must(t, nc.Close(), ln.Close())
		if n := tt.log.Count("level=WARN"); n != 1 {
			t.Errorf("%d warnings:\n%s", n, tt.log)
		}
		if n := tt.log.Count("level=DEBUG", `msg="connection closed without a byte"`); n != tt.want {
			t.Errorf("%d lines at DEBUG, want %d:\n%s", n, tt.want, tt.log)
		}
	}
}

// TestFailuresToldOnce checks that repeated failures with one cause are logged once
// and then counted.
func TestFailuresToldOnce(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "REQ", "REP")
	server.Handler = answer(zap.StatusRefused, "unknown key")
	var log ztest.Log
	server.Log = log.Logger()
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()
	for range 20 {
		if _, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client); err == nil {
			t.Fatal("admitted")
		}
		for _, sent := range [][]byte{[]byte("x"), greetingOf("NULL")} {
			nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
			ztest.Must(t, err)
			_, err = nc.Write(sent)
			ztest.Must(t, err)
			io.Copy(io.Discard, nc)
			nc.Close()
		}
	}
	ztest.Must(t, ln.Close())
	for _, words := range [][]string{
		{`msg="client refused"`, "status=400", client.Key.Public().String()},
		{`msg="client refused again"`, "count=19"},
		{`msg="handshake failed"`, "mechanism mismatch: this side uses CURVE, the peer NULL"},
		{`msg="handshake failed again"`, "mechanism mismatch", "count=19"},
		{`msg="handshake failed"`, "does not speak ZMTP"},
		{`msg="handshake failed again"`, "does not speak ZMTP", "count=19"},
	} {
		if n := log.Count(words...); n != 1 {
			t.Errorf("%d lines with %q", n, words)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 6 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}

// TestResetsToldOnce checks that a Listener logs once that peers reset their
// connections, each of which has another port.
func TestResetsToldOnce(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Curve, "REQ", "REP")
	var log ztest.Log
	server.Log = log.Logger()
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()
	const resets = 5
	for range resets {
		nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
		ztest.Must(t, err)
		_, err = nc.Write(greetingOf("CURVE"))
		ztest.Must(t, err)
		_, err = io.ReadFull(nc, make([]byte, len(greetingOf("CURVE"))))
		ztest.Must(t, err, nc.(*net.TCPConn).SetLinger(0), nc.Close())
	}
	wantLogged(t, &log, `msg="handshake failed"`, "connection reset by peer")
	ztest.Must(t, ln.Close())
	if n := log.Count(`msg="handshake failed"`); n != 1 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}

// ending is a handler that ends the goroutine that asks it.
type ending struct{ zap.Handler }

func (ending) HandleAtOnce(*zap.Request) (zap.Reply, bool) {
	runtime.Goexit()
	return zap.Reply{}, false
}

// TestHandlerEndsGoroutine checks that a handler that calls runtime.Goexit, as a
// failed test does, leaves no client waiting, and is logged.
func TestHandlerEndsGoroutine(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "REQ", "REP")
		var log ztest.Log
		server.Handler, server.Log = ending{allow}, log.Logger()
		client.HandshakeTimeout, server.HandshakeTimeout = 24*time.Hour, 24*time.Hour
		ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
		ztest.Must(t, err)
		defer ln.Close()
		if _, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client); !errors.Is(err, zmtp.ErrTryAgain) {
			t.Errorf("%s: %v", mechanism, err)
		}
		wantLogged(t, &log, "level=ERROR", "the handler ended its goroutine")
	}
}

// stuck is a handler that claims to decide at once, but does not return until released.
type stuck struct {
	zap.Handler
	asked, release chan struct{}
}

func (s stuck) HandleAtOnce(*zap.Request) (zap.Reply, bool) {
	s.asked <- struct{}{}
	<-s.release
	return zap.Reply{}, false
}

// TestHandlerStuck checks that a handler that does not return from HandleAtOnce delays
// neither Close of a listener nor the end of a handshake.
func TestHandlerStuck(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "REQ", "REP")
	handler := stuck{allow, make(chan struct{}), make(chan struct{})}
	t.Cleanup(func() { close(handler.release) })
	server.Handler = handler
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	dialled := make(chan error, 1)
	go func() {
		_, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client)
		dialled <- err
	}()
	<-handler.asked
	ztest.Must(t, ln.Close())
	if <-dialled == nil {
		t.Error("a client is admitted")
	}
	a, b := tcpPair(t)
	ctx, cancel := context.WithCancel(ztest.Context(t))
	go zmtp.Client(ctx, a, client)
	go func() {
		<-handler.asked
		cancel()
	}()
	if _, err := zmtp.Server(ctx, b, server); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHandlerFaultsTold checks that each fault of a handler is logged with its own error,
// and counted with that error when it repeats.
func TestHandlerFaultsTold(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Plain, "REQ", "REP")
	log := new(ztest.Log)
	server.Log = slog.New(slog.NewTextHandler(log, nil))
	server.Handler = zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if login, _, _ := req.PlainLogin(); login == "panics" {
			panic("out of order")
		}
		return zap.Reply{}
	})
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	for _, client.Username = range []string{"panics", "panics", "has no status", "panics"} {
		if _, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client); err == nil {
			t.Fatal("admitted")
		}
	}
	ztest.Must(t, ln.Close()) // which logs the counts
	const panicked, status = "the handler panicked: out of order", "malformed reply: status 0"
	for _, want := range []struct {
		words []string
		lines int
	}{
		{[]string{`msg="the handler failed"`, panicked}, 1},
		{[]string{`msg="the handler failed"`, status}, 1},
		{[]string{`msg="the handler failed again"`, panicked, "count=2"}, 1},
		{[]string{`msg="the handler failed again"`}, 1},
	} {
		if n := log.Count(want.words...); n != want.lines {
			t.Errorf("%d lines with %q:\n%s", n, want.words, log)
		}
	}
}
