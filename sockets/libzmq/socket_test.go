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

// untouched fails the test if a socket is secured in any way.
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

// TestBadKeys: keys that can't work are refused before libzmq sees them.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	good, other := curve.GenerateKeyPair(), curve.GenerateKeyPair()
	for _, tt := range []struct {
		name   string
		keys   curve.KeyPair
		server curve.PublicKey
		domain string
		err    error
	}{
		{"no secret", curve.KeyPair{Public: good.Public}, other.Public, "", curve.ErrNoSecretKey},
		{"another's secret", curve.KeyPair{Public: good.Public, Secret: other.Secret}, other.Public, "", curve.ErrKeyPair},
		{"no public key", curve.KeyPair{Secret: good.Secret}, other.Public, "", curve.ErrPublicKey},
		{"public key of low order", curve.KeyPair{Public: curve.PublicKey{1}, Secret: good.Secret}, other.Public, "", curve.ErrPublicKey},
		{"no server key", good, curve.PublicKey{}, "", curve.ErrPublicKey},
		{"server key of low order", good, curve.PublicKey{1}, "", curve.ErrPublicKey},
		{"domain of 256 octets", good, curve.PublicKey{}, strings.Repeat("d", 256), libzmq.ErrDomain},
		{"domain beyond ASCII", good, curve.PublicKey{}, "für alle", libzmq.ErrDomain},
		{"NUL in the domain", good, curve.PublicKey{}, "a\x00b", libzmq.ErrDomain},
	} {
		sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
		if tt.domain == "" {
			if err := libzmq.Client(sock, tt.keys, tt.server); !errors.Is(err, tt.err) {
				t.Errorf("%s: client: got %v, want %v", tt.name, err, tt.err)
			}
			untouched(t, tt.name+": client", sock)
		}
		if tt.keys == good && tt.domain == "" {
			continue // it is the server's key that is wrong
		}
		if err := libzmq.Server(sock, tt.keys, tt.domain); !errors.Is(err, tt.err) {
			t.Errorf("%s: server: got %v, want %v", tt.name, err, tt.err)
		}
		untouched(t, tt.name+": server", sock)
	}
}

// TestOptions: libzmq has what it was given.
func TestOptions(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	keys, server := curve.GenerateKeyPair(), curve.GenerateKeyPair()
	get := func(option string, err error) string {
		t.Helper()
		ztest.Must(t, err)
		return option
	}
	longest := strings.Repeat("d", 255)
	for _, domain := range []string{"", "payments", "a b~", longest} {
		sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
		ztest.Must(t, libzmq.Server(sock, server, domain))
		if mechanism, err := sock.GetMechanism(); err != nil || mechanism != zmq4.CURVE {
			t.Errorf("domain %q: got %v, %v", domain, mechanism, err)
		}
		if got := get(sock.GetCurveSecretkeyZ85()); got != server.Secret.Z85() {
			t.Errorf("domain %q: another secret key", domain)
		}
		if got := get(sock.GetZapDomain()); got != domain {
			t.Errorf("domain %q: got %q", domain, got)
		}
	}
	sock := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
	ztest.Must(t, libzmq.Client(sock, keys, server.Public))
	if mechanism, err := sock.GetMechanism(); err != nil || mechanism != zmq4.CURVE {
		t.Errorf("client: got %v, %v", mechanism, err)
	}
	if got := get(sock.GetCurvePublickeykeyZ85()); got != keys.Public.String() {
		t.Errorf("client: public key %s, want %s", got, keys.Public)
	}
	if got := get(sock.GetCurveServerkeyZ85()); got != server.Public.String() {
		t.Errorf("client: server key %s, want %s", got, server.Public)
	}
	if got := get(sock.GetCurveSecretkeyZ85()); got != keys.Secret.Z85() {
		t.Error("client: another secret key")
	}
}

func TestClosedSocket(t *testing.T) {
	t.Parallel()
	keys := curve.GenerateKeyPair()
	sock := zmqtest.NewSocket(t, zmqtest.NewContext(t), zmq4.DEALER)
	ztest.Must(t, sock.Close())
	for _, err := range []error{
		libzmq.Client(sock, keys, keys.Public),
		libzmq.Server(sock, keys, ""),
		libzmq.Server(sock, keys, "payments"),
	} {
		if !errors.Is(err, zmq4.ErrorSocketClosed) {
			t.Errorf("got %v, want %v", err, zmq4.ErrorSocketClosed)
		}
	}
}

// TestNoHandler: in a domain nobody gets in as long as nobody decides, and the
// client that has waited gets in afterwards. Without a domain everybody does.
func TestNoHandler(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	serverKeys, keys := curve.GenerateKeyPair(), curve.GenerateKeyPair()
	server, endpoint, outcomes := newImpatientServer(t, zctx, zmq4.REP, serverKeys, "payments")
	client := newClient(t, zctx, zmq4.REQ, keys, serverKeys.Public, endpoint)
	if _, err := client.Send("hello", 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := outcomes.Next(t); got != "no detail" {
			t.Errorf("without a handler: %s", got)
		}
	}
	zmqtest.Start(t, zctx, only(keys), nil)
	if got, err := server.Recv(0); err != nil || got != "hello" {
		t.Errorf("with a handler: got %q, %v", got, err)
	}

	open := zmqtest.NewContext(t)
	server, endpoint = newServer(t, open, zmq4.REP, serverKeys, "")
	client = newClient(t, open, zmq4.REQ, keys, serverKeys.Public, endpoint)
	if _, err := client.Send("hello", 0); err != nil {
		t.Fatal(err)
	}
	if got, err := server.Recv(0); err != nil || got != "hello" {
		t.Errorf("without a domain: got %q, %v", got, err)
	}
}
