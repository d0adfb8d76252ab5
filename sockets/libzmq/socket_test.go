package libzmq_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
)

// untouched fails the test if a socket has a mechanism or a domain.
func untouched(t *testing.T, name string, sock *zmq4.Socket) {
	t.Helper()
	mechanism, err := sock.GetMechanism()
	ztest.Must(t, err)
	domain, err := sock.GetZapDomain()
	ztest.Must(t, err)
	if mechanism != zmq4.NULL || domain != "" {
		t.Errorf("%s: the socket is %v in domain %q", name, mechanism, domain)
	}
}

// TestBadKeys: invalid keys are refused before they reach libzmq.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	good, other := curve.GenerateKey(), curve.GenerateKey()
	for name, tt := range map[string]struct {
		keys   curve.SecretKey
		server curve.PublicKey
		err    error
	}{
		"no secret":               {curve.SecretKey{}, other.Public(), libzmq.ErrNoKey},
		"no server key":           {good, curve.PublicKey{}, curve.ErrPublicKey},
		"server key of low order": {good, curve.PublicKey{1}, curve.ErrPublicKey},
	} {
		sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
		if err := libzmq.SetClient(sock, tt.keys, tt.server); !errors.Is(err, tt.err) {
			t.Errorf("%s: client: got %v, want %v", name, err, tt.err)
		} else if text := err.Error(); !strings.HasPrefix(text, "libzmq: ") || strings.Contains(text, "curve: ") {
			t.Errorf("%s: client: %v: has the name of another package", name, err)
		}
		if tt.keys.IsZero() {
			if err := libzmq.SetServer(sock, tt.keys, "payments"); !errors.Is(err, tt.err) {
				t.Errorf("%s: server: got %v", name, err)
			}
			if err := libzmq.SetServerWithoutAuthentication(sock, tt.keys); !errors.Is(err, tt.err) {
				t.Errorf("%s: server without authentication: got %v", name, err)
			}
		}
		untouched(t, name, sock)
	}
}

// TestDomainRequired: SetServer refuses an empty domain, in which libzmq would admit
// every client without a handler, and a domain that is not allowed in a ZAP request.
func TestDomainRequired(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	keys := curve.GenerateKey()
	for name, domain := range map[string]string{
		"none":         "",
		"256 bytes":    strings.Repeat("d", 256),
		"beyond ASCII": "für alle",
		"with a NUL":   "a\x00b",
	} {
		sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
		if err := libzmq.SetServer(sock, keys, domain); !errors.Is(err, libzmq.ErrDomain) {
			t.Errorf("domain %s: got %v, want %v", name, err, libzmq.ErrDomain)
		}
		untouched(t, name, sock)
	}
	sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
	ztest.Must(t, libzmq.SetServer(sock, keys, "payments"))
	if err := libzmq.SetServerWithoutAuthentication(sock, keys); !errors.Is(err, libzmq.ErrDomain) {
		t.Errorf("without authentication, in a domain: got %v, want %v", err, libzmq.ErrDomain)
	}
}

// TestBoundFirst: a socket that is bound or connected cannot become a server or a client,
// because libzmq would leave that endpoint open.
func TestBoundFirst(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	keys := curve.GenerateKey()
	bound := zmqtest.NewSocket(t, zctx, zmq4.REP)
	endpoint := zmqtest.Bind(t, bound, "tcp")
	connected := zmqtest.NewSocket(t, zctx, zmq4.REP)
	ztest.Must(t, connected.Connect(endpoint))
	for name, sock := range map[string]*zmq4.Socket{"bound": bound, "connected": connected} {
		for _, err := range []error{libzmq.SetServer(sock, keys, "payments"), libzmq.SetServerWithoutAuthentication(sock, keys)} {
			if !errors.Is(err, libzmq.ErrBound) || !strings.Contains(err.Error(), endpoint) {
				t.Errorf("%s: got %v, want %v and %s", name, err, libzmq.ErrBound, endpoint)
			}
		}
		if err := libzmq.SetClient(sock, keys, curve.GenerateKey().Public()); !errors.Is(err, libzmq.ErrBound) {
			t.Errorf("%s: client: got %v, want %v", name, err, libzmq.ErrBound)
		}
		untouched(t, name, sock)
	}
	// A client of several servers sets the key of each before it connects to that server.
	client := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
	for range 2 {
		ztest.Must(t, libzmq.SetClient(client, keys, curve.GenerateKey().Public()), client.Connect(endpoint))
	}
}

// TestOptions: libzmq returns the options that were set.
func TestOptions(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	keys, server := curve.GenerateKey(), curve.GenerateKey()
	get := func(option string, err error) string {
		t.Helper()
		ztest.Must(t, err)
		return option
	}
	longest := strings.Repeat("d", 255)
	for _, domain := range []string{"payments", "a b~", longest} {
		sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
		ztest.Must(t, libzmq.SetServer(sock, server, domain))
		if mechanism, err := sock.GetMechanism(); err != nil || mechanism != zmq4.CURVE {
			t.Errorf("domain %q: got %v, %v", domain, mechanism, err)
		}
		if got := get(sock.GetCurveSecretkeyZ85()); got != string(server.AppendZ85(nil)) {
			t.Errorf("domain %q: another secret key", domain)
		}
		if got := get(sock.GetZapDomain()); got != domain {
			t.Errorf("domain %q: got %q", domain, got)
		}
	}
	sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
	ztest.Must(t, libzmq.SetServerWithoutAuthentication(sock, server))
	if mechanism, err := sock.GetMechanism(); err != nil || mechanism != zmq4.CURVE {
		t.Errorf("without authentication: got %v, %v", mechanism, err)
	}
	if got := get(sock.GetCurveSecretkeyZ85()); got != string(server.AppendZ85(nil)) {
		t.Error("without authentication: another secret key")
	}
	if got := get(sock.GetZapDomain()); got != "" {
		t.Errorf("without authentication: got domain %q", got)
	}
	sock = zmqtest.NewSocket(t, zctx, zmq4.DEALER)
	ztest.Must(t, libzmq.SetClient(sock, keys, server.Public()))
	if mechanism, err := sock.GetMechanism(); err != nil || mechanism != zmq4.CURVE {
		t.Errorf("client: got %v, %v", mechanism, err)
	}
	if got := get(sock.GetCurvePublickeykeyZ85()); got != keys.Public().String() {
		t.Errorf("client: public key %s, want %s", got, keys.Public())
	}
	if got := get(sock.GetCurveServerkeyZ85()); got != server.Public().String() {
		t.Errorf("client: server key %s, want %s", got, server.Public())
	}
	if got := get(sock.GetCurveSecretkeyZ85()); got != string(keys.AppendZ85(nil)) {
		t.Error("client: another secret key")
	}
}

func TestClosedSocket(t *testing.T) {
	t.Parallel()
	keys := curve.GenerateKey()
	sock := zmqtest.NewSocket(t, zmqtest.NewContext(t), zmq4.DEALER)
	ztest.Must(t, sock.Close())
	for _, err := range []error{
		libzmq.SetClient(sock, keys, keys.Public()),
		libzmq.SetServerWithoutAuthentication(sock, keys),
		libzmq.SetServer(sock, keys, "payments"),
	} {
		if !errors.Is(err, zmq4.ErrorSocketClosed) {
			t.Errorf("got %v, want %v", err, zmq4.ErrorSocketClosed)
		}
	}
}

// TestNoHandler: while there is no handler, no client is admitted. A client that has
// waited is admitted when a handler starts. After the handler has stopped, no client is
// admitted.
func TestNoHandler(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	serverKeys, keys := curve.GenerateKey(), curve.GenerateKey()
	server, endpoint, outcomes := newImpatientServer(t, zctx, zmq4.REP, serverKeys, "payments")
	client := newClient(t, zctx, zmq4.REQ, keys, serverKeys.Public(), endpoint)
	if _, err := client.Send("hello", 0); err != nil {
		t.Fatal(err)
	}
	nobody := func(when string) {
		t.Helper()
		for range 3 {
			if got := outcomes.Next(t); got != "no detail" {
				t.Errorf("%s: %s", when, got)
			}
		}
	}
	nobody("before there is a handler")
	stop := zmqtest.Start(t, zctx, only(keys), nil)
	if got, err := server.Recv(0); err != nil || got != "hello" {
		t.Errorf("with a handler: got %q, %v", got, err)
	}
	for outcomes.Next(t) != "succeeded" {
	}
	stop()
	newClient(t, zctx, zmq4.REQ, keys, serverKeys.Public(), endpoint)
	nobody("after the handler has stopped")
}

// TestWithoutAuthentication: every client is admitted, with a handler or without one.
func TestWithoutAuthentication(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	serverKeys := curve.GenerateKey()
	server := zmqtest.NewSocket(t, zctx, zmq4.PULL)
	ztest.Must(t, libzmq.SetServerWithoutAuthentication(server, serverKeys))
	endpoint := zmqtest.Bind(t, server, "tcp")
	for _, handler := range []bool{false, true} {
		if handler {
			zmqtest.Start(t, zctx, only(), nil) // a handler that would refuse every client
		}
		client := newClient(t, zctx, zmq4.PUSH, curve.GenerateKey(), serverKeys.Public(), endpoint)
		if _, err := client.Send("hello", 0); err != nil {
			t.Fatal(err)
		}
		if got, err := server.Recv(0); err != nil || got != "hello" {
			t.Errorf("handler %v: got %q, %v", handler, got, err)
		}
	}
}
