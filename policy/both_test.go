package policy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// users are the clients of the tests about keys and passwords. Each has both.
type users struct {
	*scenario.Scenario
	Carol *cert.Certificate // in no group by her key
}

// newUsers returns a policy in which traders need a key and a password: the client trader
// is one by its key, and guest by its account. In another domain, all clients do.
func newUsers(t *testing.T) (*users, *policy.Policy) {
	t.Helper()
	s := &users{scenario.New(t), scenario.Named("carol")}
	ztest.Must(t, s.Store(t).Put(&keystore.Identity{Name: "carol", Certificate: s.Carol}))
	both := argon2Of + " " + verifierOf("pässword")
	accounts := "    plain = 1\n" +
		account("trader", both, "            group = readers\n") +
		account("guest@example.org", both, "            group = traders\n", "            user-id = guest\n") +
		account("carol", both, "            group = readers\n") +
		account("expired", both) +
		account("keyless", both, "            group = traders\n") +
		"    failures = 1000\n"
	p, _ := load(t, s.Dir, `security
    domain = groups
    curve = 1
        keystore = dir:clients
        password-for = admins
        password-for = traders
    gssapi = 1
        principal = trader
        principal = guest
        principal = zoe
    anonymous = 1
`+accounts+`security
    domain = all
    user-id = key
    curve = 1
        keystore = dir:clients
        password-for = *
`+accounts)
	return s, p
}

// TestKeyAndPassword: members of a group that needs both a key and a password are admitted
// by SCRAM-SHA-256-PLUS with both, and by nothing else.
func TestKeyAndPassword(t *testing.T) {
	t.Parallel()
	s, p := newUsers(t)
	key := func(c *cert.Certificate) string { return string(c.Public[:]) }
	right, wrong := clientKey("pässword"), clientKey("x")
	const needsPassword, needsKey, wrongPassword = "needs a password as well (password-for)", "needs a key as well (password-for)", "wrong user name or password"
	const another = "key and password of different users"
	for _, tt := range []struct {
		domain, mechanism string
		credentials       []string
		want              decision
		identity, groups  string
	}{
		// A key alone.
		{"groups", zap.Curve, []string{key(s.Trader)}, decision{needsPassword, "", 6}, "trader", ""},
		{"groups", zap.Curve, []string{key(s.Guest)}, decision{needsPassword, "", 6}, "guest", ""},
		{"groups", zap.Curve, []string{key(s.Carol)}, decision{"OK", "carol", 4}, "carol", ""},
		{"groups", zap.Curve, []string{key(s.Signed)}, decision{"OK", "signed", 4}, "signed", ""},
		{"groups", zap.Curve, []string{key(s.Expired)}, decision{"certificate expired", "", 4}, "expired", ""},
		{"groups", zap.Curve, []string{key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"all", zap.Curve, []string{key(s.Trader)}, decision{needsPassword, "", 39}, "trader", ""},
		{"all", zap.Curve, []string{key(s.Carol)}, decision{needsPassword, "", 39}, "carol", ""},
		{"all", zap.Curve, []string{key(s.Stranger)}, decision{"unknown key", "", 37}, "", ""},
		// A password alone.
		{"groups", zap.Plain, []string{"trader", "pässword"}, decision{needsKey, "", 6}, "trader", ""},
		{"groups", zap.Plain, []string{"trader", "x"}, decision{needsKey, "", 6}, "trader", ""},
		{"groups", zap.Plain, []string{"carol", "x"}, decision{wrongPassword, "", 12}, "", ""},
		{"groups", zap.Plain, []string{"nobody", "pässword"}, decision{wrongPassword, "", 12}, "", ""},
		{"groups", zap.Plain, []string{"guest@example.org", "pässword"}, decision{needsKey, "", 6}, "guest@example.org", ""},
		{"groups", zap.Plain, []string{"carol", "pässword"}, decision{"OK", "carol", 22}, "carol", "readers"},
		{"groups", zap.Plain, []string{"expired", "pässword"}, decision{needsKey, "", 6}, "expired", ""},
		{"groups", zap.Plain, []string{"keyless", "pässword"}, decision{needsKey, "", 6}, "keyless", ""},
		{"groups", zap.ScramSHA256, []string{"trader", right}, decision{needsKey, "", 6}, "trader", ""},
		{"groups", zap.ScramSHA256, []string{"trader", wrong}, decision{needsKey, "", 6}, "trader", ""},
		{"groups", zap.ScramSHA256, []string{"carol", wrong}, decision{wrongPassword, "", 12}, "", ""},
		{"groups", zap.ScramSHA256, []string{"nobody", right}, decision{wrongPassword, "", 12}, "", ""},
		{"groups", zap.ScramSHA256, []string{"guest@example.org", right}, decision{needsKey, "", 6}, "guest@example.org", ""},
		{"groups", zap.ScramSHA256, []string{"carol", right}, decision{"OK", "carol", 22}, "carol", "readers"},
		{"all", zap.Plain, []string{"carol", "pässword"}, decision{needsKey, "", 39}, "", ""},
		{"all", zap.Plain, []string{"carol", "x"}, decision{needsKey, "", 39}, "", ""},
		{"all", zap.ScramSHA256, []string{"carol", right}, decision{needsKey, "", 39}, "", ""},
		{"all", zap.ScramSHA256, []string{"nobody", right}, decision{needsKey, "", 39}, "", ""},
		// Another proof.
		{"groups", zap.GSSAPI, []string{"trader"}, decision{"needs a key and a password (password-for)", "", 6}, "trader", ""},
		{"groups", zap.GSSAPI, []string{"guest"}, decision{"needs a key and a password (password-for)", "", 6}, "guest", ""},
		{"groups", zap.GSSAPI, []string{"zoe"}, decision{"OK", "zoe", 10}, "zoe", ""},
		{"groups", zap.Null, nil, decision{"OK", "", 11}, "", ""},
		{"all", zap.GSSAPI, []string{"trader"}, decision{"GSSAPI is not allowed", "", 34}, "", ""},
		{"all", zap.Null, nil, decision{"NULL is not allowed", "", 34}, "", ""},
		// Both.
		{"groups", zap.ScramSHA256Plus, []string{"trader", right, key(s.Trader)}, decision{"OK", "trader", 13}, "trader", "readers,traders"},
		{"groups", zap.ScramSHA256Plus, []string{"trader", wrong, key(s.Trader)}, decision{wrongPassword, "", 12}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"nobody", right, key(s.Trader)}, decision{wrongPassword, "", 12}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", right, key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", wrong, key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", right, key(s.Carol)}, decision{another, "", 4}, "carol", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", wrong, key(s.Carol)}, decision{another, "", 4}, "carol", ""},
		{"groups", zap.ScramSHA256Plus, []string{"guest@example.org", right, key(s.Guest)}, decision{"OK", "guest", 17}, "guest@example.org", "guests,traders"},
		{"groups", zap.ScramSHA256Plus, []string{"guest@example.org", right, key(s.Trader)}, decision{another, "", 4}, "trader", ""},
		{"groups", zap.ScramSHA256Plus, []string{"expired", right, key(s.Expired)}, decision{"certificate expired", "", 4}, "expired", ""},
		{"groups", zap.ScramSHA256Plus, []string{"keyless", right, key(s.Carol)}, decision{another, "", 4}, "carol", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Carol)}, decision{"OK", "carol", 50}, "carol", "readers"},
		{"all", zap.ScramSHA256Plus, []string{"carol", wrong, key(s.Carol)}, decision{wrongPassword, "", 40}, "", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Stranger)}, decision{"unknown key", "", 37}, "", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Signed)}, decision{another, "", 38}, "signed", ""},
		// Clients that need one of them are admitted by the password, whatever the key, as by
		// SCRAM-SHA-256. But with the key of a trader, a client is one.
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Carol)}, decision{"OK", "carol", 22}, "carol", "readers"},
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Stranger)}, decision{"OK", "carol", 22}, "carol", "readers"},
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Trader)}, decision{another, "", 4}, "trader", ""},
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Revoked)}, decision{"key revoked on TIME: laptop stolen", "", 4}, "revoked", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Revoked)}, decision{"key revoked on TIME: laptop stolen", "", 38}, "revoked", ""},
	} {
		req := ask(tt.domain, "", tt.mechanism, tt.credentials...)
		if strings.Contains(tt.want.text, "TIME") { // since when it is revoked
			reply := p.Handle(t.Context(), req)
			tt.want.text = reply.Text
			if !strings.HasPrefix(reply.Text, "key revoked") || !strings.Contains(reply.Text, "laptop stolen") {
				t.Errorf("%+v", reply)
			}
		}
		check(t, p, req, tt.want)
		if reply := p.Handle(t.Context(), req); reply.Identity != tt.identity || reply.Status == zap.StatusOK && tt.mechanism != zap.Curve && reply.Metadata.Get("group") != tt.groups {
			t.Errorf("%s in %s: identity %q, groups %q, want %q, %q", tt.mechanism, tt.domain, reply.Identity, reply.Metadata.Get("group"), tt.identity, tt.groups)
		}
	}
}

// TestRevokedKeyWithPassword: a login over the connection of a revoked key is refused in
// each domain, even if the domain admits no client by CURVE.
func TestRevokedKeyWithPassword(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	p := newPolicy(t, policy.Rules{
		{Name: "password", Accounts: []policy.Account{{Login: "a", Hash: verifierOf("x")}}},
		{Name: "curve", Curve: &policy.Curve{Keystores: []string{s.Clients}}},
	})
	check(t, p, ask("password", "", zap.ScramSHA256Plus, "a", clientKey("x"), string(s.Stranger.Public[:])), decision{"OK", "a", 4})
	reply := p.Handle(t.Context(), ask("password", "", zap.ScramSHA256Plus, "a", clientKey("x"), string(s.Revoked.Public[:])))
	if reply.Status != zap.StatusRefused || !strings.Contains(reply.Text, "laptop stolen") {
		t.Errorf("%+v", reply)
	}
	if _, ok := p.Revoked(s.Revoked.Public); !ok {
		t.Error("not revoked")
	}
}

// TestKeyWithoutName: a key that a program's keystore admits without a name is that of the
// user who knows the password. One with another user id is not.
func TestKeyWithoutName(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	for _, tt := range []struct {
		id   keystore.Identity
		want decision
	}{
		{keystore.Identity{}, decision{"OK", "alice", 3}},
		{keystore.Identity{UserID: "alice"}, decision{"OK", "alice", 3}},
		{keystore.Identity{UserID: "bob"}, decision{"key and password of different users", "", 7}},
		{keystore.Identity{Name: "alice"}, decision{"key and password of different users", "", 7}}, // its user id is the key
	} {
		tt.id.Certificate = alice
		p := newPolicy(t, policy.Rules{{
			Accounts: []policy.Account{{Login: "alice", Hash: verifierOf("x")}},
			Curve:    &policy.Curve{Readers: []keystore.Reader{always(&tt.id)}, PasswordFor: []string{"*"}},
		}})
		check(t, p, ask("", "", zap.ScramSHA256Plus, "alice", clientKey("x"), string(alice.Public[:])), tt.want)
	}
}

// TestGroupsOfUser: a group by any certificate of a user counts. Users without a user id
// are not one user.
func TestGroupsOfUser(t *testing.T) {
	t.Parallel()
	acme := cert.GenerateAuthority("")
	alice, dir := scenario.Named("alice"), t.TempDir()
	signed := *alice
	signed.Metadata = append(cert.Metadata{{Name: "group", Value: "traders"}}, alice.Metadata...)
	ztest.Must(t, acme.Sign(&signed))
	put(t, dir, alice)
	put(t, filepath.Join(dir, "signed"), &signed)
	p := newPolicy(t, policy.Rules{{
		Accounts: []policy.Account{
			{Login: "alice", Hash: argon2Of},
			{Login: "Zoë", Hash: argon2Of + " " + verifierOf("x"), Groups: []string{"traders"}},
			{Login: "Çelik", Hash: argon2Of},
		},
		Curve:      &policy.Curve{Keystores: []string{dir}, Authorities: []cert.AuthorityKey{acme.Key}, PasswordFor: []string{"traders"}},
		Principals: []string{"Zoë@EXAMPLE.ORG"},
	}})
	check(t, p, ask("", "", zap.Plain, "alice", "pässword"), decision{"needs a key as well (password-for)", "", 16})
	check(t, p, ask("", "", zap.Plain, "Zoë", "pässword"), decision{"needs a key as well (password-for)", "", 16})
	check(t, p, ask("", "", zap.Plain, "Çelik", "pässword"), decision{"OK", "", 10})
	check(t, p, ask("", "", zap.GSSAPI, "Zoë@EXAMPLE.ORG"), decision{"OK", "", 18})
}
