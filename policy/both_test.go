package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// users are the clients of the tests below. Each has a key and a password.
type users struct {
	*scenario.Scenario
	Carol *cert.Certificate // in no group by her key
}

// newUsers returns a policy in which the keys of traders need a password: the client trader
// is one by its key, and guest by its account. In another domain, all keys do.
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
`+accounts+`security
    domain = all
    user-id = key
    curve = 1
        keystore = dir:clients
        password-for = *
`+accounts)
	return s, p
}

// TestKeyAndPassword: in a domain with password-for, a password alone admits nobody, and a
// key alone admits only clients in none of its groups.
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
		{"all", zap.Curve, []string{key(s.Trader)}, decision{needsPassword, "", 34}, "trader", ""},
		{"all", zap.Curve, []string{key(s.Carol)}, decision{needsPassword, "", 34}, "carol", ""},
		{"all", zap.Curve, []string{key(s.Stranger)}, decision{"unknown key", "", 32}, "", ""},
		// A password alone.
		{"groups", zap.Plain, []string{"trader", "pässword"}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.Plain, []string{"trader", "x"}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.Plain, []string{"carol", "pässword"}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.Plain, []string{"nobody", "pässword"}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.ScramSHA256, []string{"trader", right}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.ScramSHA256, []string{"trader", wrong}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.ScramSHA256, []string{"carol", right}, decision{needsKey, "", 5}, "", ""},
		{"groups", zap.ScramSHA256, []string{"nobody", right}, decision{needsKey, "", 5}, "", ""},
		{"all", zap.Plain, []string{"carol", "pässword"}, decision{needsKey, "", 34}, "", ""},
		{"all", zap.ScramSHA256, []string{"carol", right}, decision{needsKey, "", 34}, "", ""},
		// Another proof.
		{"groups", zap.GSSAPI, []string{"trader"}, decision{"GSSAPI is not allowed", "", 1}, "", ""},
		{"groups", zap.Null, nil, decision{"NULL is not allowed", "", 1}, "", ""},
		{"all", zap.GSSAPI, []string{"trader"}, decision{"GSSAPI is not allowed", "", 29}, "", ""},
		{"all", zap.Null, nil, decision{"NULL is not allowed", "", 29}, "", ""},
		// Both.
		{"groups", zap.ScramSHA256Plus, []string{"trader", right, key(s.Trader)}, decision{"OK", "trader", 8}, "trader", "readers,traders"},
		{"groups", zap.ScramSHA256Plus, []string{"trader", wrong, key(s.Trader)}, decision{wrongPassword, "", 7}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"nobody", right, key(s.Trader)}, decision{wrongPassword, "", 7}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", right, key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", wrong, key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"nobody", right, key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", right, key(s.Carol)}, decision{another, "", 4}, "carol", ""},
		{"groups", zap.ScramSHA256Plus, []string{"trader", wrong, key(s.Carol)}, decision{another, "", 4}, "carol", ""},
		{"groups", zap.ScramSHA256Plus, []string{"guest@example.org", right, key(s.Guest)}, decision{"OK", "guest", 12}, "guest@example.org", "guests,traders"},
		{"groups", zap.ScramSHA256Plus, []string{"guest@example.org", right, key(s.Trader)}, decision{another, "", 4}, "trader", ""},
		{"groups", zap.ScramSHA256Plus, []string{"expired", right, key(s.Expired)}, decision{"certificate expired", "", 4}, "expired", ""},
		{"groups", zap.ScramSHA256Plus, []string{"keyless", right, key(s.Carol)}, decision{another, "", 4}, "carol", ""},
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Carol)}, decision{"OK", "carol", 17}, "carol", "readers"},
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Stranger)}, decision{"unknown key", "", 3}, "", ""},
		{"groups", zap.ScramSHA256Plus, []string{"carol", right, key(s.Revoked)}, decision{"key revoked on TIME: laptop stolen", "", 4}, "revoked", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Carol)}, decision{"OK", "carol", 45}, "carol", "readers"},
		{"all", zap.ScramSHA256Plus, []string{"carol", wrong, key(s.Carol)}, decision{wrongPassword, "", 35}, "", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Stranger)}, decision{"unknown key", "", 32}, "", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Signed)}, decision{another, "", 33}, "signed", ""},
		{"all", zap.ScramSHA256Plus, []string{"carol", right, key(s.Revoked)}, decision{"key revoked on TIME: laptop stolen", "", 33}, "revoked", ""},
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

// TestKeyWithoutName: the key must have the account's user id, so a key without a user id is
// refused.
func TestKeyWithoutName(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	const without = "key without a user id: no account can have it (password-for)"
	for _, tt := range []struct {
		id   keystore.Identity
		want decision
	}{
		{keystore.Identity{}, decision{without, "", 7}},
		{keystore.Identity{UserID: "alice"}, decision{"OK", "alice", 3}},
		{keystore.Identity{UserID: "bob"}, decision{"key and password of different users", "", 7}},
		{keystore.Identity{Name: "alice"}, decision{without, "", 7}},
	} {
		tt.id.Certificate = alice
		p := newPolicy(t, policy.Rules{{
			Accounts: []policy.Account{{Login: "alice", Hash: verifierOf("x")}},
			Curve:    &policy.Curve{Readers: []keystore.Reader{always(&tt.id)}, PasswordFor: []string{"*"}},
		}})
		check(t, p, ask("", "", zap.ScramSHA256Plus, "alice", clientKey("x"), string(alice.Public[:])), tt.want)
	}
}

// doors are the ways to log in that the tests below try.
type doors struct {
	t                                          *testing.T
	p                                          *policy.Policy
	login                                      string
	own, other                                 *cert.Certificate
	curve, scram, plain, plus, plusWithAnother bool // open
}

// check checks which doors are open to a client with its login, its key, or both.
func (d doors) check(what string) {
	d.t.Helper()
	key, other := string(d.own.Public[:]), string(d.other.Public[:])
	for _, door := range []struct {
		mechanism   string
		credentials []string
		open        bool
	}{
		{zap.Curve, []string{key}, d.curve},
		{zap.ScramSHA256, []string{d.login, clientKey("pässword")}, d.scram},
		{zap.Plain, []string{d.login, "pässword"}, d.plain},
		{zap.ScramSHA256Plus, []string{d.login, clientKey("pässword"), key}, d.plus},
		{zap.ScramSHA256Plus, []string{d.login, clientKey("pässword"), other}, d.plusWithAnother},
	} {
		if reply := d.p.Handle(d.t.Context(), ask("", "", door.mechanism, door.credentials...)); (reply.Status == zap.StatusOK) != door.open {
			d.t.Errorf("%s: %s: %+v", what, door.mechanism, reply)
		}
	}
}

// TestNeverEasier: a client that needs a key and a password is not admitted with less after its
// key was revoked, removed, or removed from the group, whichever keystore has it.
func TestNeverEasier(t *testing.T) {
	t.Parallel()
	alice, mallory := scenario.Named("alice"), scenario.Named("mallory")
	inGroup := &keystore.Identity{Name: "alice", Certificate: alice, Groups: []string{"traders"}}
	inNone := &keystore.Identity{Name: "alice", Certificate: alice}
	for name, tt := range map[string]struct {
		change         func(first, second keystore.Store) error
		curve, plus    bool // after the change
		passwordForAll bool
	}{
		"revoked":          {func(first, _ keystore.Store) error { return first.Revoke(alice.Public, time.Now(), "stolen") }, false, false, false},
		"revoked, all":     {func(first, _ keystore.Store) error { return first.Revoke(alice.Public, time.Now(), "stolen") }, false, false, true},
		"removed":          {func(first, _ keystore.Store) error { return first.Remove(alice.Public) }, false, false, false},
		"removed, all":     {func(first, _ keystore.Store) error { return first.Remove(alice.Public) }, false, false, true},
		"left the group":   {func(first, _ keystore.Store) error { return first.Put(inNone) }, true, true, false}, // as the operator says
		"left, all":        {func(first, _ keystore.Store) error { return first.Put(inNone) }, false, true, true},
		"in another store": {func(_, second keystore.Store) error { return second.Put(inNone) }, false, true, false},
		"moved, in a group there": {func(first, second keystore.Store) error {
			return errors.Join(second.Put(inGroup), first.Put(inNone))
		}, false, true, false},
		"moved to another store": {func(first, second keystore.Store) error {
			return errors.Join(second.Put(inGroup), first.Remove(alice.Public))
		}, false, true, false},
	} {
		first, second := keystore.NewMemory(), keystore.NewMemory()
		ztest.Must(t, first.Put(inGroup, &keystore.Identity{Name: "mallory", Certificate: mallory}))
		group := "traders"
		if tt.passwordForAll {
			group = "*"
		}
		d := doors{t: t, login: "alice", own: alice, other: mallory, plus: true}
		d.p = newPolicy(t, policy.Rules{{
			Accounts: []policy.Account{{Login: "alice", Hash: argon2Of + " " + verifierOf("pässword")}},
			Curve:    &policy.Curve{Readers: []keystore.Reader{first, second}, PasswordFor: []string{group}},
		}})
		d.check(name + ": before")
		ztest.Must(t, tt.change(first, second))
		d.curve, d.plus = tt.curve, tt.plus
		d.check(name)
	}
}

// TestNeverEasierByReader: the same holds for a keystore that can only look up keys.
func TestNeverEasierByReader(t *testing.T) {
	t.Parallel()
	alice, root := scenario.Named("alice"), scenario.Named("root")
	d := doors{t: t, login: "alice", own: alice, other: root, plus: true}
	id := &keystore.Identity{UserID: "alice", Certificate: alice, Groups: []string{"traders"}}
	d.p = newPolicy(t, policy.Rules{{
		Accounts: []policy.Account{{Login: "alice", Hash: argon2Of + " " + verifierOf("pässword")}},
		Curve: &policy.Curve{Readers: []keystore.Reader{lookup(func(key curve.PublicKey) (*keystore.Identity, bool) {
			if key == root.Public {
				return &keystore.Identity{Certificate: root}, true
			}
			return id, key == alice.Public
		})}, PasswordFor: []string{"traders"}},
	}})
	d.check("before")
	id = nil
	d.plus = false
	d.check("removed")
}

// TestFaultyReaderOfGroups: a key needs a password because of a group of a program's keystore
// whose answers are incomplete or contradict each other.
func TestFaultyReaderOfGroups(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	id := &keystore.Identity{UserID: "alice", Certificate: alice, Groups: []string{"traders"}}
	known := lookup(func(curve.PublicKey) (*keystore.Identity, bool) {
		return &keystore.Identity{UserID: "alice", Certificate: alice}, true
	})
	answers := 0
	once := lookup(func(curve.PublicKey) (*keystore.Identity, bool) {
		answers++
		return id, answers == 1
	})
	faulty := always(&keystore.Identity{Certificate: alice, Others: []*cert.Certificate{nil}})
	for name, tt := range map[string]struct {
		readers []keystore.Reader
		want    string
	}{
		"answers once": {[]keystore.Reader{once}, "needs a password as well (password-for)"},
		"faulty":       {[]keystore.Reader{known, faulty, always(id)}, "needs a password as well (password-for)"},
		"in no group":  {[]keystore.Reader{known, faulty}, "OK"},
	} {
		p := newPolicy(t, policy.Rules{{
			Accounts: []policy.Account{{Login: "a", Hash: verifierOf("x")}},
			Curve:    &policy.Curve{Readers: tt.readers, PasswordFor: []string{"traders"}},
		}})
		if reply := p.Handle(t.Context(), ask("", "", zap.Curve, string(alice.Public[:]))); reply.Text != tt.want {
			t.Errorf("%s: %+v", name, reply)
		}
	}
}

// TestGroupsOfKey: a key needs a password because of a group of its keystore, of any of its
// certificates that an authority signed, valid or not, or of an account with its user id or name.
func TestGroupsOfKey(t *testing.T) {
	t.Parallel()
	acme := cert.GenerateAuthority("")
	signed := func(name, groups string, validity cert.Validity) *cert.Certificate {
		c := *scenario.Named(name)
		c.Metadata = append(cert.Metadata{{Name: "group", Value: groups}}, c.Metadata...)
		c.Validity = validity
		ztest.Must(t, acme.Sign(&c))
		return &c
	}
	now := time.Now().UTC().Truncate(time.Second)
	current := cert.Validity{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	past := cert.Validity{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}
	expired := signed("dave", "traders", past)
	renewed := *expired
	renewed.Metadata, renewed.Validity = cert.Metadata{{Name: "name", Value: "dave"}}, current
	ztest.Must(t, acme.Sign(&renewed))
	claimed := *scenario.Named("erin")
	claimed.Metadata = append(cert.Metadata{{Name: "group", Value: "traders"}}, claimed.Metadata...)
	erin := claimed
	erin.Metadata = nil
	ztest.Must(t, acme.Sign(&erin))
	for _, tt := range []struct {
		id    keystore.Identity
		needs bool
	}{
		{keystore.Identity{UserID: "bob", Certificate: signed("bob", "traders", current)}, true},
		{keystore.Identity{UserID: "bob", Certificate: signed("bob", "readers", current)}, false},
		{keystore.Identity{UserID: "bob", Certificate: signed("bob", "readers", current), Groups: []string{"traders"}}, true},
		{keystore.Identity{UserID: "dave", Certificate: &renewed}, false},
		{keystore.Identity{UserID: "dave", Certificate: &renewed, Others: []*cert.Certificate{expired}}, true},
		{keystore.Identity{UserID: "dave", Certificate: expired, Others: []*cert.Certificate{&renewed}}, true},
		{keystore.Identity{UserID: "erin", Certificate: &erin, Others: []*cert.Certificate{&claimed}}, false},
		{keystore.Identity{UserID: "carol", Certificate: signed("carol", "", current)}, true},
		{keystore.Identity{Name: "carol", Certificate: signed("carol", "", current)}, true},
		{keystore.Identity{Certificate: signed("frank", "", current)}, false},
	} {
		p := newPolicy(t, policy.Rules{{
			Accounts: []policy.Account{
				{Login: "carol@example.org", UserID: "carol", Hash: verifierOf("x"), Groups: []string{"traders"}},
				{Login: "zoë", Hash: verifierOf("x"), Groups: []string{"traders"}}, // without a user id
			},
			Curve: &policy.Curve{Readers: []keystore.Reader{always(&tt.id)}, Authorities: []cert.AuthorityKey{acme.Key}, PasswordFor: []string{"traders"}},
		}})
		key := tt.id.Certificate.Public
		want := "OK"
		if tt.needs {
			want = "needs a password as well (password-for)"
		}
		if reply := p.Handle(t.Context(), ask("", "", zap.Curve, string(key[:]))); reply.Text != want {
			t.Errorf("%+v: %+v", tt.id, reply)
		}
	}
}
