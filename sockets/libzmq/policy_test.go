package libzmq_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pebbe/zmq4"
	"golang.org/x/crypto/bcrypt"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets/libzmq"
)

// TestPolicy: a policy decides for libzmq's servers, about each mechanism; both
// sides learn what became of it, and the server who came in.
func TestPolicy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acme := cert.GenerateAuthority()
	now := time.Now().UTC().Truncate(time.Second)
	identity := func(name, group string, change func(*cert.Certificate)) *cert.Certificate {
		c := cert.Generate(cert.Property{Name: "name", Value: name}, cert.Property{Name: "group", Value: group})
		if change != nil {
			change(c)
		}
		ztest.Must(t, c.SavePublic(filepath.Join(dir, "clients", name+".key"), false))
		return c
	}
	ztest.Must(t, os.Mkdir(filepath.Join(dir, "clients"), 0o755))
	trader, guest := identity("trader", "traders", nil), identity("guest", "guests", nil)
	signed := identity("signed", "guests", func(c *cert.Certificate) { ztest.Must(t, acme.Sign(c)) })
	expired := identity("expired", "traders", func(c *cert.Certificate) { c.Validity.NotAfter = now })
	revoked := identity("revoked", "traders", nil)
	store, err := keystore.Open(filepath.Join(dir, "clients"), nil)
	ztest.Must(t, err, store.Revoke(revoked.Public, now, "laptop stolen"))
	// One that costs little: a client that gets no answer in time tries again.
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	ztest.Must(t, err)
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `security
    domain = open
    allow = 127.0.0.0/8
    anonymous = 1
security
    domain = closed
    deny = 127.0.0.0/8
    anonymous = 1
security
    domain = passwords
    plain = 1
        account
            login = guest
            password = "%s"
            group = guests
security
    domain = groups
    curve = 1
        keystore = dir:clients
        group = traders
security
    domain = signed
    curve = 1
        keystore = dir:clients
        authority = "%s"
security
    domain = any
    curve = 1
        any = 1
`, hash, acme.Key), 0o600))
	p, err := policy.Load(file, nil)
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	zctx := newContext(t)
	start(t, zctx, p, nil)
	serverKeys := curve.GenerateKeyPair()

	null := func(*zmq4.Socket) error { return nil }
	plain := func(login, password string) func(*zmq4.Socket) error {
		return func(s *zmq4.Socket) error {
			if err := s.SetPlainUsername(login); err != nil {
				return err
			}
			return s.SetPlainPassword(password)
		}
	}
	byCurve := func(c *cert.Certificate) func(*zmq4.Socket) error {
		return func(s *zmq4.Socket) error { return libzmq.Client(s, c.KeyPair(), serverKeys.Public) }
	}
	stranger := cert.Generate()
	for _, tt := range []struct {
		domain, name string
		client       func(*zmq4.Socket) error
		want         map[string]string // properties of a message; nil if the client is refused
	}{
		{"open", "anybody", null, map[string]string{"User-Id": "", "name": "", "group": ""}},
		{"closed", "anybody", null, nil},
		{"unknown", "anybody", null, nil},
		{"passwords", "guest", plain("guest", "hunter2"), map[string]string{"User-Id": "guest", "name": "", "group": "guests"}},
		{"passwords", "wrong password", plain("guest", "hunter3"), nil},
		{"passwords", "unknown user", plain("nobody", "hunter2"), nil},
		{"groups", "trader", byCurve(trader), map[string]string{"User-Id": "trader", "name": "trader", "group": "traders"}},
		{"groups", "guest", byCurve(guest), nil},
		{"groups", "expired", byCurve(expired), nil},
		{"groups", "revoked", byCurve(revoked), nil},
		{"groups", "stranger", byCurve(stranger), nil},
		{"signed", "signed", byCurve(signed), map[string]string{"User-Id": "signed", "name": "signed", "group": "guests"}},
		{"signed", "trader", byCurve(trader), nil},
		{"any", "stranger", byCurve(stranger), map[string]string{"User-Id": stranger.Public.String(), "name": "", "group": ""}},
	} {
		t.Run(tt.domain+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			server := newSocket(t, zctx, zmq4.PULL)
			switch tt.domain {
			case "open", "closed", "unknown":
				ztest.Must(t, server.SetZapDomain(tt.domain))
			case "passwords":
				ztest.Must(t, server.SetZapDomain(tt.domain), server.SetPlainServer(1))
			default:
				ztest.Must(t, libzmq.Server(server, serverKeys, tt.domain))
			}
			client := newSocket(t, zctx, zmq4.PUSH)
			ztest.Must(t, tt.client(client))
			outcomes := monitor(t, zctx, client)
			atServer := monitor(t, zctx, server)
			ztest.Must(t, client.Connect(bind(t, server, "tcp")))
			if tt.want == nil {
				got := atServer.next(t)
				if tt.domain == "passwords" {
					// libzmq's PLAIN client doesn't understand its server's refusal, and
					// closes before the server has told of it.
					if got == "succeeded" {
						t.Error("let in")
					}
					return
				}
				if client := outcomes.next(t); got != "refused: 400" || client != got {
					t.Errorf("%s at the server, %s at the client", got, client)
				}
				return
			}
			if _, err := client.Send("hello", 0); err != nil {
				t.Fatal(err)
			}
			_, got, err := server.RecvWithMetadata(0, "User-Id", "name", "group")
			ztest.Must(t, err)
			for name := range tt.want {
				if _, ok := got[name]; !ok {
					got[name] = ""
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
		})
	}
}
