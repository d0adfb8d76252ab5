package probe_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	libzmq "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { ztest.Main(m) }

var server, client, other = curve.GenerateKey(), curve.GenerateKey(), curve.GenerateKey()

// replies returns a handler with the same reply for everyone.
func replies(status zap.Status) zap.Handler {
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		if status == zap.StatusOK {
			return zap.Allow("alice")
		}
		return zap.Reply{Status: status, Text: "because"}
	})
}

// ours listens with a socket of package zmtp.
func ours(socketType, mechanism string, handler zap.Handler) func(*testing.T) string {
	return func(t *testing.T) string {
		ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", zmtp.Config{SocketType: socketType, Mechanism: mechanism, Key: server, Handler: handler})
		ztest.Must(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := ln.Accept(context.Background()); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() { ln.Close(); <-done })
		return ln.Endpoint()
	}
}

// theirs listens with a socket of libzmq. Without a handler, nobody decides.
func theirs(kind libzmq.Type, mechanism string, handler zap.Handler) func(*testing.T) string {
	return func(t *testing.T) string {
		zctx := zmqtest.NewContext(t)
		if handler != nil {
			zmqtest.Start(t, zctx, handler, (&ztest.Log{}).Logger())
		}
		sock := zmqtest.NewSocket(t, zctx, kind)
		switch mechanism {
		case zap.Curve:
			ztest.Must(t, sock.SetCurveServer(1), sock.SetCurveSecretkey(string(server.AppendZ85(nil))))
		case zap.Plain:
			ztest.Must(t, sock.SetPlainServer(1))
		}
		if handler != nil {
			ztest.Must(t, sock.SetZapDomain("test"))
		}
		return zmqtest.Bind(t, sock, "tcp")
	}
}

// stranger listens, sends bytes to each that connects, and waits for its end.
func stranger(sent string, closes bool) func(*testing.T) string {
	return func(t *testing.T) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ztest.Must(t, err)
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer nc.Close()
					nc.Write([]byte(sent))
					if closes {
						nc.Read(make([]byte, 64)) // so that closing resets nothing
						return
					}
					for err == nil {
						_, err = nc.Read(make([]byte, 1024))
					}
				}()
			}
		}()
		return "tcp://" + ln.Addr().String()
	}
}

// web listens with a server of HTTP.
func web(start func(*httptest.Server)) func(*testing.T) string {
	return func(t *testing.T) string {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		start(s)
		t.Cleanup(s.Close)
		return "tcp://" + s.Listener.Addr().String()
	}
}

// greeting is a greeting of ZMTP with this version and mechanism.
func greeting(major, minor byte, mechanism string) string {
	g := make([]byte, 64)
	g[0], g[9], g[10], g[11] = 0xff, 0x7f, major, minor
	copy(g[12:], mechanism)
	return string(g)
}

// TestProbe makes each fault, and checks which stage finds it, and what it says.
func TestProbe(t *testing.T) {
	t.Parallel()
	asClient := probe.Config{Mechanism: zap.Curve, Key: client, ServerKey: server.Public(), Admit: "zcert store add"}
	wrongKey := asClient
	wrongKey.ServerKey = other.Public()
	pull := asClient
	pull.SocketType = "PULL"
	plain := probe.Config{Mechanism: zap.Plain, Username: "alice", Password: zap.NewPassword("secret")}
	expect := func(mechanism string) probe.Config { return probe.Config{Mechanism: zap.Null, Expect: mechanism} }
	anyone := probe.Config{Mechanism: zap.Null}
	pullNull := anyone
	pullNull.SocketType = "PULL"
	const passes = probe.Stages
	short, long := 5*time.Second, ztest.Patience
	for name, test := range map[string]struct {
		listen  func(*testing.T) string
		cfg     probe.Config
		timeout time.Duration
		fails   probe.Stage
		text    string // of the stage that fails, or of the last that passes
		hint    string
	}{
		"ours":                  {ours("REP", zap.Curve, replies(200)), asClient, long, passes, "admitted by a REP", ""},
		"our PUB":               {ours("PUB", zap.Curve, replies(200)), asClient, long, passes, "admitted by a PUB", ""},
		"our PULL":              {ours("PULL", zap.Curve, replies(200)), asClient, long, passes, "admitted by a PULL", ""},
		"our NULL":              {ours("ROUTER", zap.Null, replies(200)), anyone, long, passes, "admitted by a ROUTER", ""},
		"our PLAIN":             {ours("REP", zap.Plain, replies(200)), plain, long, passes, "admitted by a REP", ""},
		"our wrong key":         {ours("REP", zap.Curve, replies(200)), wrongKey, long, probe.ServerKey, "probably another server's", "fingerprint"},
		"our 300":               {ours("REP", zap.Curve, replies(300)), asClient, long, probe.Admission, "(300)", "--wait"},
		"our 400":               {ours("REP", zap.Curve, replies(400)), asClient, long, probe.Admission, "refused (400)", "zcert store add"},
		"our 500":               {ours("REP", zap.Curve, replies(500)), asClient, long, probe.Admission, "refused (500)", "log"},
		"our PLAIN 400":         {ours("REP", zap.Plain, replies(400)), plain, long, probe.Admission, "wrong user name or password", "log"},
		"libzmq":                {theirs(libzmq.REP, zap.Curve, replies(200)), asClient, long, passes, "admitted by a REP", ""},
		"libzmq PUB":            {theirs(libzmq.PUB, zap.Curve, replies(200)), asClient, long, passes, "admitted by a PUB", ""},
		"libzmq PULL":           {theirs(libzmq.PULL, zap.Curve, replies(200)), asClient, long, passes, "admitted by a PULL", ""},
		"libzmq PUSH":           {theirs(libzmq.PUSH, zap.Curve, replies(200)), asClient, long, probe.Admission, "PUSH, DEALER or PAIR", "--type"},
		"libzmq PUSH, as PULL":  {theirs(libzmq.PUSH, zap.Curve, replies(200)), pull, long, passes, "admitted by a PUSH", ""},
		"libzmq PUSH, NULL":     {theirs(libzmq.PUSH, zap.Null, nil), pullNull, long, passes, "admitted by a PUSH", ""},
		"libzmq PLAIN":          {theirs(libzmq.REP, zap.Plain, replies(200)), plain, long, passes, "admitted by a REP", ""},
		"libzmq wrong key":      {theirs(libzmq.REP, zap.Curve, replies(200)), wrongKey, long, probe.ServerKey, "probably another server's", "fingerprint"},
		"libzmq 300":            {theirs(libzmq.REP, zap.Curve, replies(300)), asClient, short, probe.Admission, "(300)", "zauth"},
		"libzmq 400":            {theirs(libzmq.REP, zap.Curve, replies(400)), asClient, long, probe.Admission, "refused (400)", "zcert store add"},
		"libzmq 500":            {theirs(libzmq.REP, zap.Curve, replies(500)), asClient, long, probe.Admission, "refused (500)", "log"},
		"only greeting":         {theirs(libzmq.REP, zap.Curve, nil), anyone, long, passes, "CURVE", ""},
		"expect CURVE":          {theirs(libzmq.REP, zap.Curve, nil), expect(zap.Curve), long, passes, "CURVE", ""},
		"expect CURVE, is NULL": {theirs(libzmq.REP, zap.Null, nil), expect(zap.Curve), long, probe.Greeting, "uses NULL, not CURVE", "open to anyone"},
		"expect NULL, is CURVE": {theirs(libzmq.REP, zap.Curve, nil), expect(zap.Null), long, probe.Greeting, "uses CURVE, not NULL", "--server-key"},
		"expect CURVE, PLAIN":   {theirs(libzmq.REP, zap.Plain, nil), expect(zap.Curve), long, probe.Greeting, "uses PLAIN, not CURVE", "in the clear"},
		"CURVE to NULL":         {theirs(libzmq.REP, zap.Null, nil), asClient, long, probe.Greeting, "uses NULL, this side CURVE", "open to anyone"},
		"PLAIN to CURVE":        {theirs(libzmq.REP, zap.Curve, nil), plain, long, probe.Greeting, "uses CURVE, this side PLAIN", "--server-key"},
		"closed port":           {func(*testing.T) string { return "tcp://127.0.0.1:1" }, asClient, long, probe.Connect, "refused", "nobody listens"},
		"no such host":          {func(*testing.T) string { return "tcp://no-such-host.invalid:1" }, asClient, long, probe.Connect, "lookup", "host name"},
		"no such socket":        {func(*testing.T) string { return "ipc:///no/such/socket" }, asClient, long, probe.Connect, "no such file", "path"},
		"silent":                {stranger("", false), asClient, short, probe.Greeting, "sends nothing", "port"},
		"closes at once":        {stranger("", true), asClient, long, probe.Greeting, "closed the connection", "--wait"},
		"half a greeting":       {stranger(greeting(3, 1, "CURVE")[:30], false), asClient, short, probe.Greeting, "stopped after 30 bytes", "log"},
		"no WELCOME":            {stranger(greeting(3, 1, "CURVE"), false), asClient, short, probe.ServerKey, "did not answer HELLO", "fingerprint"},
		"no READY":              {stranger(greeting(3, 1, "NULL"), false), anyone, short, probe.Admission, "is stuck", "zauth"},
		"HTTP":                  {web((*httptest.Server).Start), asClient, short, probe.Greeting, "speaks HTTP", "port"},
		"TLS":                   {web((*httptest.Server).StartTLS), asClient, long, probe.Greeting, "speaks TLS", "proxy"},
		"SSH":                   {stranger("SSH-2.0-OpenSSH_9.2p1\r\n", true), asClient, long, probe.Greeting, "speaks SSH", "port"},
		"ZMTP 1":                {stranger("\x01\x00", true), asClient, long, probe.Greeting, "ZMTP 1.0", "libzmq"},
		"ZMTP 2":                {stranger(greeting(1, 1, "")[:12], true), asClient, long, probe.Greeting, "speaks ZMTP 1.1", "libzmq"},
		"mechanism that lies":   {stranger(greeting(3, 1, "\x1b[31mRED"), true), asClient, long, probe.Greeting, `\x1b[31mRED`, "same mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.cfg.Timeout = test.timeout
			r := probe.Run(ztest.Context(t), test.listen(t), test.cfg)
			stage, failed := r.Failed()
			if !failed {
				stage = passes
			}
			if stage != test.fails {
				t.Fatalf("fails at stage %d of %+v", stage, r)
			}
			last := r.Results[0]
			for s, result := range r.Results {
				if probe.Stage(s) < stage && result.Outcome == probe.OK || probe.Stage(s) == stage {
					last = result
				}
				if probe.Stage(s) > stage && result.Outcome != probe.NotReached {
					t.Errorf("stage %d is %s behind the one that fails", s, result.Outcome)
				}
			}
			if !strings.Contains(last.Text, test.text) || !strings.Contains(last.Hint, test.hint) {
				t.Errorf("says %q, and %q", last.Text, last.Hint)
			}
		})
	}
}

// TestEnds checks that a probe ends with its context, whatever the peer does.
func TestEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	cancel()
	r := probe.Run(ctx, stranger("", false)(t), probe.Config{Mechanism: zap.Null, Timeout: time.Hour})
	if _, failed := r.Failed(); !failed {
		t.Errorf("got %+v", r)
	}
}
