package policy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// clientKey returns a ClientKey (RFC 5802). It is not derived as in the RFC, because a policy
// sees only the key.
func clientKey(password string) string {
	sum := sha256.Sum256([]byte("Client Key of " + password))
	return string(sum[:])
}

// verifierOf returns a verifier that clientKey matches.
func verifierOf(password string) string {
	stored, server := sha256.Sum256([]byte(clientKey(password))), sha256.Sum256([]byte("Server Key of "+password))
	text := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	return "SCRAM-SHA-256$600000:" + text(stored[:16]) + "$" + text(stored[:]) + ":" + text(server[:])
}

// account returns the text of an account.
func account(login, password string, more ...string) string {
	return fmt.Sprintf("        account\n            login = %q\n            password = %q\n%s", login, password, strings.Join(more, ""))
}

// TestScram: an account with a verifier is admitted by SCRAM, one with a hash by PLAIN,
// and one with both by either.
func TestScram(t *testing.T) {
	t.Parallel()
	p, log := load(t, t.TempDir(), "security\n    plain = 1\n"+
		account("scram", verifierOf("pässword"), "            group = \"b, a\"\n")+
		account("hash", argon2Of)+
		account("both", argon2Of+" "+verifierOf("pässword"), "            user-id = other\n            metadata\n                desk = 7\n")+
		account("turned", verifierOf("x")+"  "+argon2Of))
	if log.Count("level=INFO", "mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-256-PLUS", "accounts=4") != 1 || log.Count("level=WARN") != 1 {
		t.Errorf("log:\n%s", log)
	}
	wrong := decision{"wrong user name or password", "", 2}
	for _, tt := range []struct {
		login, password string
		plain, scram    decision
	}{
		{"scram", "pässword", wrong, decision{"OK", "scram", 3}},
		{"hash", "pässword", decision{"OK", "hash", 7}, wrong},
		{"both", "pässword", decision{"OK", "other", 10}, decision{"OK", "other", 10}},
		{"turned", "pässword", decision{"OK", "turned", 16}, wrong},
		{"turned", "x", wrong, decision{"OK", "turned", 16}},
		{"scram", "x", wrong, wrong},
		{"scram", "", wrong, wrong},
		{"SCRAM", "pässword", wrong, wrong},
		{"nobody", "pässword", wrong, wrong},
		{"", "pässword", wrong, wrong},
	} {
		check(t, p, ask("", "192.0.2.1", zap.Plain, tt.login, tt.password), tt.plain)
		check(t, p, ask("", "192.0.2.1", zap.ScramSHA256, tt.login, clientKey(tt.password)), tt.scram)
		check(t, p, ask("", "192.0.2.1", zap.ScramSHA256Plus, tt.login, clientKey(tt.password), clientKey("of curve")), tt.scram)
	}
	for mechanism, credentials := range map[string][]string{zap.ScramSHA256: {}, zap.ScramSHA256Plus: {clientKey("of curve")}} {
		reply := p.Handle(t.Context(), ask("", "", mechanism, append([]string{"both", clientKey("pässword")}, credentials...)...))
		if diff := cmp.Diff(zap.Metadata{{Name: "desk", Value: "7"}, {Name: "group", Value: ""}}, reply.Metadata); diff != "" || reply.Identity != "both" {
			t.Errorf("%s: identity %q, metadata (-want +got):\n%s", mechanism, reply.Identity, diff)
		}
	}
}

// TestNoScram: without a verifier, no client is admitted by SCRAM, and without a hash
// none by PLAIN.
func TestNoScram(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    plain = 1\n"+account("a", argon2Of)+
		"security\n    domain = b\n    plain = 1\n"+account("a", verifierOf("x"))+
		"security\n    domain = c\n    sasl = SCRAM-SHA-256-PLUS\n    plain = 1\n"+account("a", verifierOf("x"))+
		"security\n    domain = d\n    plain = 0\n"+account("a", verifierOf("x")))
	scram, plus := []string{"a", clientKey("x")}, []string{"a", clientKey("x"), clientKey("of curve")}
	check(t, p, ask("", "", zap.ScramSHA256, scram...), decision{"SCRAM-SHA-256 is not allowed", "", 1})
	check(t, p, ask("", "", zap.ScramSHA256Plus, plus...), decision{"SCRAM-SHA-256-PLUS is not allowed", "", 1})
	check(t, p, ask("b", "", zap.Plain, "a", "x"), decision{"PLAIN is not allowed", "", 6})
	check(t, p, ask("c", "", zap.ScramSHA256, scram...), decision{"SCRAM-SHA-256 is not allowed", "", 12})
	check(t, p, ask("c", "", zap.ScramSHA256Plus, plus...), decision{"OK", "a", 16})
	check(t, p, ask("d", "", zap.ScramSHA256, scram...), decision{"SCRAM-SHA-256 is not allowed", "", 19})
	check(t, p, ask("zauth", "", zap.ScramSHA256, scram...), decision{"no rule for this domain", "", 0})
}

// TestMalformedScram: credentials of the wrong number or size are refused.
func TestMalformedScram(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", 255)
	p, _ := load(t, t.TempDir(), "security\n    plain = 1\n"+account(longest, verifierOf("x"), "            user-id = a\n"))
	right := clientKey("x")
	for _, tt := range []struct {
		mechanism   string
		credentials []string
		text        string
	}{
		{zap.ScramSHA256, []string{longest, right}, "OK"},
		{zap.ScramSHA256Plus, []string{longest, right, right}, "OK"},
		{zap.ScramSHA256, []string{longest + "a", right}, "user name too long"},
		{zap.ScramSHA256Plus, []string{longest + "a", right, right}, "user name too long"},
		{zap.ScramSHA256, nil, "expected a user name and a ClientKey"},
		{zap.ScramSHA256, []string{longest}, "expected a user name and a ClientKey"},
		{zap.ScramSHA256, []string{longest, right, right}, "expected a user name and a ClientKey"},
		{zap.ScramSHA256, []string{longest, right[1:]}, "expected a user name and a ClientKey"},
		{zap.ScramSHA256Plus, []string{longest, right}, "expected a user name and a ClientKey"},
		{zap.ScramSHA256Plus, []string{longest, right, right[1:]}, "expected a user name and a ClientKey"},
	} {
		if reply := p.Handle(t.Context(), ask("", "", tt.mechanism, tt.credentials...)); reply.Text != tt.text {
			t.Errorf("%s %q: %+v", tt.mechanism, tt.credentials, reply)
		}
	}
}

// TestScramCounts: wrong logins by SCRAM count like those by PLAIN, with and without a key.
func TestScramCounts(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    failures = 4\n    plain = 1\n"+account("a", verifierOf("x")))
	right, limited := []string{"a", clientKey("x")}, decision{"too many failures from this address", "", 1}
	for i := range 4 {
		check(t, p, ask("", "192.0.2.1", zap.ScramSHA256, right...), decision{"OK", "a", 4})
		check(t, p, ask("", "192.0.2.1", zap.ScramSHA256, "a", clientKey(fmt.Sprint("wrong", i))), decision{"wrong user name or password", "", 3})
	}
	check(t, p, ask("", "192.0.2.1", zap.ScramSHA256, right...), limited)
	check(t, p, ask("", "192.0.2.1", zap.ScramSHA256Plus, append(right, clientKey("of curve"))...), limited)
	check(t, p, ask("", "192.0.2.2", zap.ScramSHA256, right...), decision{"OK", "a", 4})
	// Through a service that reports other addresses, too.
	said := map[string]int{}
	for i := range 100 {
		req := ask("", fmt.Sprintf("10.9.8.%d", i), zap.ScramSHA256, "a", clientKey(fmt.Sprint("guess", i)))
		req.Asker = "198.51.100.7 (mallory)"
		said[p.Handle(t.Context(), req).Text]++
	}
	want := map[string]int{"wrong user name or password": 40, "too many simultaneous logins from this address or service": 60}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestScramAtOnce: a policy decides about SCRAM at once, except if it may have to ask a
// program's keystore about a key.
func TestScramAtOnce(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	c := &policy.Curve{Readers: []keystore.Reader{always(&keystore.Identity{Name: "alice", UserID: "alice", Certificate: alice})}}
	both := *c
	both.PasswordFor = []string{"*"}
	accounts := []policy.Account{{Login: "alice", Hash: verifierOf("x")}}
	p := newPolicy(t, policy.Rules{{Name: "password", Accounts: accounts}, {Name: "curve", Accounts: accounts, Curve: c}, {Name: "both", Accounts: accounts, Curve: &both}})
	for _, tt := range []struct {
		domain, mechanism string
		credentials       []string
		want              bool
	}{
		{"password", zap.ScramSHA256, nil, true},
		{"password", zap.ScramSHA256Plus, []string{string(alice.Public[:])}, true},
		{"curve", zap.ScramSHA256, nil, true},
		{"curve", zap.ScramSHA256Plus, []string{string(alice.Public[:])}, false},
		{"both", zap.ScramSHA256, nil, true},
		{"both", zap.ScramSHA256Plus, []string{string(alice.Public[:])}, false},
	} {
		req := ask(tt.domain, "", tt.mechanism, append([]string{"alice", clientKey("x")}, tt.credentials...)...)
		if reply, ok := p.HandleAtOnce(req); ok != tt.want || ok && (reply.Status == zap.StatusOK) != (tt.domain != "both") {
			t.Errorf("%s in %s: at once %v, %+v", tt.mechanism, tt.domain, ok, reply)
		}
		if reply := p.Handle(t.Context(), req); (reply.Status == zap.StatusOK) != (tt.domain != "both" || tt.mechanism == zap.ScramSHA256Plus) {
			t.Errorf("%s in %s: %+v", tt.mechanism, tt.domain, reply)
		}
	}
}

// Verifiers of "correct horse" and "pässword", with few iterations so that clients are quick.
const (
	horseVerifier    = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$tSgetjYW5SQlNzIxJAKMryuDGH8Snw5oWcj1eOW0ZyI=:bbZ1dJMgYYaKKR1fU1oGHkWJzi9OQY4yU8Fuksa1t70="
	passwordVerifier = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$ZOD7DI+4MqGGsN6ZQD/rOKDUUsnhbVmmHppZDbN6NaE=:/1HDlTTdmOBBsZpsWjLoaM1urX9K1q6B49ryQfrh6Y8="
)

// TestSASLExchange: a policy decides about the exchange of package sasl, with a password,
// and with a key and a password.
func TestSASLExchange(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	accounts := []policy.Account{{Login: "trader", Hash: horseVerifier, Groups: []string{"desk"}}}
	p := newPolicy(t, policy.Rules{
		{Name: "password", Accounts: accounts},
		{Name: "both", Accounts: accounts, Curve: &policy.Curve{Keystores: []string{s.Clients}, PasswordFor: []string{"*"}}},
	})
	bound := func(c *cert.Certificate) sasl.Link {
		return sasl.Link{Address: "192.0.2.1", Key: c.Public, Binding: [32]byte{1}}
	}
	open := sasl.Link{Address: "192.0.2.1"}
	for _, tt := range []struct {
		domain, login, password string
		link                    sasl.Link
		mechanism, groups       string // of an admitted client
	}{
		{"password", "trader", "correct horse", open, sasl.ScramSHA256, "desk"},
		{"password", "trader", "wrong", open, "", ""},
		{"password", "nobody", "correct horse", open, "", ""},
		{"password", "trader", "correct horse", bound(s.Stranger), sasl.ScramSHA256Plus, "desk"},
		{"both", "trader", "correct horse", bound(s.Trader), sasl.ScramSHA256Plus, "desk,traders"},
		{"both", "trader", "wrong", bound(s.Trader), "", ""},
		{"both", "trader", "correct horse", bound(s.Guest), "", ""},
		{"both", "trader", "correct horse", bound(s.Stranger), "", ""},
	} {
		user, ok := login(t, p, tt.domain, tt.login, tt.password, tt.link)
		if user.Mechanism != tt.mechanism || ok != (tt.mechanism != "") || ok && (user.ID != "trader" || user.Metadata.Get("group") != tt.groups) {
			t.Errorf("%+v: %v, %+v", tt, ok, user)
		}
	}
}

// login returns the user id with which a SASL client with a password is admitted.
func login(t *testing.T, p *policy.Policy, domain, login, password string, link sasl.Link) (sasl.User, bool) {
	t.Helper()
	server, err := sasl.NewServer(sasl.ServerConfig{Codec: sasl.NOM, Policy: p, Domain: domain, Link: link})
	ztest.Must(t, err)
	client, err := sasl.NewClient(sasl.ClientConfig{Codec: sasl.NOM, Username: login, Password: zap.NewPassword(password), Link: link})
	ztest.Must(t, err)
	message, err := client.Start()
	ztest.Must(t, err)
	for message != nil {
		reply, _ := server.Handle(t.Context(), message)
		if message, err = client.Handle(reply); err != nil {
			break
		}
	}
	return server.User()
}

// TestMigration: while the accounts of a domain get verifiers, one after the other, each
// client can log in over an encrypted connection. Once all have one, they use SCRAM.
func TestMigration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	encrypted := sasl.Link{Address: "192.0.2.1", Encrypted: true}
	both := argon2Of + " " + passwordVerifier
	for _, tt := range []struct {
		text, mechanism string
	}{
		{account("alice", argon2Of) + account("bob", argon2Of), sasl.Plain},
		{account("alice", both) + account("bob", argon2Of), sasl.Plain},
		{account("alice", both) + account("bob", both), sasl.ScramSHA256},
		{account("alice", passwordVerifier) + account("bob", both), sasl.ScramSHA256},
		{account("alice", passwordVerifier) + account("bob", passwordVerifier), sasl.ScramSHA256},
	} {
		p, _ := load(t, dir, "security\n    plain = 1\n"+tt.text)
		for _, name := range []string{"alice", "bob"} {
			if user, ok := login(t, p, "", name, "pässword", encrypted); !ok || user.ID != name || user.Mechanism != tt.mechanism {
				t.Errorf("%s with %s: %v, %+v", name, tt.text, ok, user)
			}
			if user, ok := login(t, p, "", name, "wrong", encrypted); ok {
				t.Errorf("%s with a wrong password: %+v", name, user)
			}
		}
	}
}

// BenchmarkRefuseScram shows that refusing an unknown user takes as long as refusing a
// wrong password.
func BenchmarkRefuseScram(b *testing.B) {
	p := newPolicy(b, policy.Rules{{Failures: math.MaxInt32, Accounts: []policy.Account{{Login: "known", Hash: verifierOf("x")}}}})
	for _, login := range []string{"known", "other"} {
		b.Run(login, func(b *testing.B) {
			req := ask("", "192.0.2.1", zap.ScramSHA256, login, clientKey("wrong"))
			for b.Loop() {
				p.Verifier(b.Context(), "", login)
				if reply := p.Handle(b.Context(), req); reply.Status != zap.StatusRefused {
					b.Fatal(reply)
				}
			}
		})
	}
}

var _ sasl.Policy = (*policy.Policy)(nil)
