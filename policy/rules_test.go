package policy_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/zaptest"
)

// newPolicy returns a policy with these rules.
func newPolicy(t testing.TB, rules policy.Rules) *policy.Policy {
	t.Helper()
	p, err := policy.New(rules, policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// everything returns rules with each field set.
func everything(s *scenario.Scenario) policy.Rules {
	clients := "dir:" + s.Clients
	return policy.Rules{
		{Name: "open", Allow: []string{"10.0.0.0/8", "192.0.2.1"}, Deny: []string{"10.66.0.0/16"}, Anonymous: true, Failures: 3},
		{Name: "traders", UserID: "key", Curve: &policy.Curve{Keystores: []string{clients}, Groups: []string{"traders", "the admins"}}},
		{Name: "signed", Curve: &policy.Curve{Keystores: []string{clients}, Authorities: []cert.AuthorityKey{s.Authority.Key}}},
		{Name: "any", UserID: "name", Curve: &policy.Curve{Keystores: []string{clients}, Any: true}},
		{
			Accounts: []policy.Account{
				{Login: "guest", Hash: argon2Of, Groups: []string{"guests", "readers"}, UserID: "visitor", Metadata: zap.Metadata{{Name: "desk", Value: `"7" isn't`}}},
				{Login: "it's # me", Hash: argon2Of},
			},
			Principals: []string{"alice@EXAMPLE.ORG", "bob@EXAMPLE.ORG"},
		},
		{
			Name: "groups", SASL: []string{"CURVE", "SCRAM-SHA-256-PLUS"},
			Accounts: []policy.Account{{Login: "trader", Hash: argon2Of + " " + verifierOf("pässword")}, {Login: "zoë", Hash: verifierOf("pässword")}},
			Curve:    &policy.Curve{Keystores: []string{clients}, PasswordFor: []string{"traders", "the guests"}},
		},
		{
			Name:     "both",
			Accounts: []policy.Account{{Login: "trader", Hash: verifierOf("pässword")}},
			Curve:    &policy.Curve{Keystores: []string{clients}, PasswordFor: []string{"*"}},
		},
	}
}

// TestRulesOfBothKinds: rules of a program decide like the file that String writes, and
// cite the same lines.
func TestRulesOfBothKinds(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	rules := everything(s)
	file := filepath.Join(s.Dir, "policy.zpl")
	loaded, _ := load(t, s.Dir, rules.String())
	parsed, err := policy.Parse(file, []byte(rules.String()))
	ztest.Must(t, err)
	if diff := cmp.Diff(rules.String(), parsed.String()); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	ofCode, ofText := newPolicy(t, rules), newPolicy(t, parsed)
	requests := []*zap.Request{ask("", "", zap.Plain, "guest", "pässword"), ask("", "", zap.Plain, "it's # me", "pässword"),
		ask("", "", zap.Plain, "guest", "wrong"), ask("", "", zap.GSSAPI, "bob@EXAMPLE.ORG"), ask("", "", zap.GSSAPI, "eve@EXAMPLE.ORG")}
	for _, domain := range []string{"groups", "both", "other"} {
		for _, login := range []string{"trader", "zoë", "guest"} {
			requests = append(requests, ask(domain, "", zap.Plain, login, "pässword"), ask(domain, "", zap.ScramSHA256, login, clientKey("pässword")),
				ask(domain, "", zap.ScramSHA256Plus, login, clientKey("pässword"), string(s.Trader.Public[:])))
		}
		for _, p := range []*policy.Policy{ofCode, ofText} {
			if diff := cmp.Diff(loaded.Mechanisms(domain, false), p.Mechanisms(domain, false)); diff != "" {
				t.Errorf("mechanisms in %s (-want +got):\n%s", domain, diff)
			}
		}
	}
	for _, domain := range []string{"open", "traders", "signed", "any", "groups", "both", "zauth", "other"} {
		for _, address := range []string{"10.1.2.3", "10.66.1.2", "192.0.2.1", "192.0.2.2"} {
			requests = append(requests, ask(domain, address, zap.Null))
		}
		for _, c := range []*cert.Certificate{s.Trader, s.Guest, s.Signed, s.Expired, s.Revoked, s.Stranger} {
			requests = append(requests, ask(domain, "10.1.2.3", zap.Curve, string(c.Public[:])))
		}
	}
	admitted := 0
	for _, req := range requests {
		want := loaded.Handle(t.Context(), req)
		if want.Status == zap.StatusOK {
			admitted++
		}
		if diff := cmp.Diff(want, ofText.Handle(t.Context(), req)); diff != "" && want.Rule != file {
			t.Errorf("parsed: %+v (-want +got):\n%s", req, diff)
		}
		want.Rule = strings.Replace(want.Rule, file, "rules", 1)
		if diff := cmp.Diff(want, ofCode.Handle(t.Context(), req)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", req, diff)
		}
	}
	if admitted < 10 {
		t.Errorf("%d of %d requests were admitted", admitted, len(requests))
	}
}

// TestSet: rules are replaced completely or not at all.
func TestSet(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	rules := policy.Rules{{Failures: 20, Curve: &policy.Curve{Keystores: []string{s.Clients}, Groups: []string{"traders"}}}}
	p := newPolicy(t, rules)
	if !admits(p, "", s.Trader) || admits(p, "", s.Guest) {
		t.Error("not decided by the rules")
	}
	rules[0].Curve.Groups[0] = "guests"
	if ztest.Must(t, p.Reload()); admits(p, "", s.Guest) {
		t.Error("rules that were passed are in use")
	}
	if err := p.Set(policy.Rules{{Anonymous: true}, {Name: "x", Curve: &policy.Curve{Keystores: []string{filepath.Join(s.Dir, "missing")}}}}); err == nil {
		t.Error("a missing keystore is no error")
	}
	if !admits(p, "", s.Trader) || admits(p, "", s.Guest) || p.Handle(t.Context(), ask("", "", zap.Null)).Status == zap.StatusOK {
		t.Error("half of the rules are in use")
	}
	for _, rules := range []policy.Rules{nil, {}} {
		if err := p.Set(rules); err == nil {
			t.Error("no rules are no error")
		}
	}
	if ztest.Must(t, p.Set(rules)); admits(p, "", s.Trader) || !admits(p, "", s.Guest) {
		t.Error("not decided by the new rules")
	}
	// Failures and revocations outlive the change.
	for range 20 {
		p.Handle(t.Context(), ask("", "192.0.2.1", zap.Curve, string(s.Stranger.Public[:])))
	}
	ztest.Must(t, p.Set(rules))
	check(t, p, ask("", "192.0.2.1", zap.Curve, string(s.Guest.Public[:])), decision{"too many failures from this address", "", 1})
	ztest.Must(t, p.Set(policy.Rules{{Name: "x", Curve: &policy.Curve{Any: true}}}))
	if !admits(p, "x", s.Stranger) || admits(p, "x", s.Revoked) {
		t.Error("a key revoked in a removed keystore is admitted")
	}
	loaded, _ := load(t, s.Dir, "security\n")
	if err := loaded.Set(rules); err == nil || !strings.Contains(err.Error(), "policy.zpl") {
		t.Errorf("a policy from a file: %v", err)
	}
}

// TestReaders: a policy reads keystores of the program, and does not close them.
func TestReaders(t *testing.T) {
	t.Parallel()
	alice, bob := scenario.Named("alice"), scenario.Named("bob")
	one, two := store(t, alice, bob), store(t)
	defer one.Close()
	rules := policy.Rules{
		{Name: "one", Curve: &policy.Curve{Readers: []keystore.Reader{one, two}}},
		{Name: "any", Curve: &policy.Curve{Any: true}},
	}
	if got := rules.String(); strings.Count(got, "# keystore of the program\n") != 2 {
		t.Errorf("written as\n%s", got)
	}
	p := newPolicy(t, rules)
	if reply := p.Handle(t.Context(), ask("one", "", zap.Curve, string(alice.Public[:]))); reply.Status != zap.StatusOK || !strings.HasSuffix(reply.Rule, "client-0.key") {
		t.Errorf("%+v", reply)
	}
	check(t, p, ask("one", "", zap.Curve, string(make([]byte, 32))), decision{"unknown key", "", 3})
	ztest.Must(t, one.Revoke(bob.Public, bob.Validity.NotBefore, ""))
	if admits(p, "one", bob) || admits(p, "any", bob) || !admits(p, "any", alice) {
		t.Error("a key revoked in one domain isn't in the other")
	}
	ztest.Must(t, p.Close(), one.Reload())
	if _, ok := one.Lookup(alice.Public); !ok {
		t.Error("the policy has closed a keystore of the program")
	}
}

// lookup is a keystore of a program with the method Lookup only.
type lookup func(curve.PublicKey) (*keystore.Identity, bool)

func (l lookup) Lookup(key curve.PublicKey) (*keystore.Identity, bool) { return l(key) }

// TestReaderOfAProgram: a keystore with the method Lookup only is enough, and a faulty
// one admits no client.
func TestReaderOfAProgram(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	right := lookup(func(key curve.PublicKey) (*keystore.Identity, bool) {
		return &keystore.Identity{Name: "alice", Certificate: alice, Groups: []string{"traders"}}, key == alice.Public
	})
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{right}, Groups: []string{"traders"}}}})
	check(t, p, ask("", "", zap.Curve, string(alice.Public[:])), decision{"OK", alice.Public.String(), 3})
	check(t, p, ask("", "", zap.Curve, string(make([]byte, 32))), decision{"unknown key", "", 2})
	if _, ok := p.Revoked(alice.Public); ok {
		t.Error("revoked")
	}
	for _, id := range []*keystore.Identity{nil, {Name: "alice"}} {
		p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{lookup(func(curve.PublicKey) (*keystore.Identity, bool) { return id, true })}}}})
		check(t, p, ask("", "", zap.Curve, string(alice.Public[:])), decision{"unknown key", "", 2})
	}
}

// TestAllocationsOfRules: with rules of a program, too, deciding about a key allocates
// nothing.
func TestAllocationsOfRules(t *testing.T) {
	s := scenario.New(t)
	known := s.Store(t)
	defer known.Close()
	byDefault, err := policy.Default(known, policy.Options{})
	ztest.Must(t, err)
	defer byDefault.Close()
	for name, p := range map[string]*policy.Policy{
		"Default": byDefault,
		"New":     newPolicy(t, policy.Rules{{Allow: []string{"192.0.2.0/24"}, Curve: &policy.Curve{Keystores: []string{s.Clients}, Groups: []string{"traders"}}}}),
		"Groups": newPolicy(t, policy.Rules{{
			Accounts: []policy.Account{{Login: "guest", Hash: verifierOf("x")}},
			Curve:    &policy.Curve{Keystores: []string{s.Clients}, PasswordFor: []string{"guests", "admins"}},
		}}),
		"Readers": newPolicy(t, policy.Rules{{Failures: 1 << 20, Curve: &policy.Curve{Readers: []keystore.Reader{known}}}}),
	} {
		for _, c := range []*cert.Certificate{s.Trader, s.Stranger} {
			req := request(c.Public)
			if reply := p.Handle(t.Context(), req); (reply.Status == zap.StatusOK) != (c == s.Trader) {
				t.Errorf("%s: %+v", name, reply)
			}
			ctx := t.Context()
			if n := testing.AllocsPerRun(1000, func() { p.Handle(ctx, req) }); n != 0 {
				t.Errorf("%s: %s: %v allocations", name, c.Name(), n)
			}
			if n := testing.AllocsPerRun(1000, func() { p.HandleAtOnce(req) }); n != 0 {
				t.Errorf("%s: %s at once: %v allocations", name, c.Name(), n)
			}
		}
	}
}

// TestAtOnce: the default policy answers at once about keys, and never about passwords.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	known := s.Store(t)
	defer known.Close()
	p, err := policy.Default(known, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	if reply, ok := p.HandleAtOnce(request(s.Trader.Public)); !ok || reply.Status != zap.StatusOK {
		t.Errorf("%v %+v", ok, reply)
	}
	if reply, ok := p.HandleAtOnce(request(s.Stranger.Public)); !ok || reply.Status != zap.StatusRefused || reply.Rule != "default policy" {
		t.Errorf("%v %+v", ok, reply)
	}
	if _, ok := p.HandleAtOnce(ask("", "", zap.Plain, "a", "b")); ok {
		t.Error("at once about a password")
	}
}

// TestParsedPasswords: parsed rules contain no password.
func TestParsedPasswords(t *testing.T) {
	t.Parallel()
	rules, err := policy.Parse("policy.zpl", []byte("security\n    plain = 1\n        account\n            login = a\n            password = hunter2\n"))
	ztest.Must(t, err)
	if text := fmt.Sprint(rules) + fmt.Sprintf("%#v", rules[0].Accounts); strings.Contains(text, "hunter2") {
		t.Errorf("they print as\n%s", text)
	}
	p := newPolicy(t, rules)
	check(t, p, ask("", "", zap.Plain, "a", "hunter2"), decision{"OK", "a", 3})
	check(t, p, ask("", "", zap.Plain, "a", "hunter3"), decision{"wrong user name or password", "", 2})
}

// TestSwitchedOff: a part that is switched off is checked, but omitted from the rules.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	const text = "security\n    plain = 0\n        account\n            login = a\n            password = b\n    curve = 0\n        keystore = x\n"
	rules, err := policy.Parse("policy.zpl", []byte(text))
	ztest.Must(t, err)
	if got := rules.String(); got != "security\n" {
		t.Errorf("written as\n%s", got)
	}
	for _, wrong := range []string{strings.Replace(text, "= b", "= $b", 1), text + "        group = ,\n"} {
		if _, err := policy.Parse("policy.zpl", []byte(wrong)); err == nil {
			t.Errorf("no error in\n%s", wrong)
		}
	}
}

// TestRelativePaths: paths in a text are relative to its file, even after the rules are
// written elsewhere.
func TestRelativePaths(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	rules, err := policy.Parse(filepath.Join(s.Dir, "policy.zpl"), []byte("security\n    curve = 1\n        keystore = dir:clients\n"))
	ztest.Must(t, err)
	again, err := policy.Parse("elsewhere/policy.zpl", []byte(rules.String()))
	ztest.Must(t, err)
	if p := newPolicy(t, again); !admits(p, "", s.Trader) {
		t.Error("another keystore")
	}
}

// TestZeroPolicy: the zero value refuses every client, and doesn't panic.
func TestZeroPolicy(t *testing.T) {
	t.Parallel()
	p := new(policy.Policy)
	for _, mechanism := range []string{zap.Null, zap.Plain, zap.Curve, zap.GSSAPI} {
		if reply := p.Handle(t.Context(), ask("", "", mechanism)); reply.Status != zap.StatusRefused {
			t.Errorf("%s: %+v", mechanism, reply)
		}
	}
	if _, ok := p.HandleAtOnce(ask("", "", zap.Null)); !ok {
		t.Error("not at once")
	}
	if p.Set(policy.Rules{{Anonymous: true}}) == nil || p.Reload() == nil || p.Watch(t.Context()) == nil {
		t.Error("no error")
	}
	if _, ok := p.Revoked(curve.PublicKey{}); ok || p.HasDomain("") {
		t.Error("it has rules")
	}
	ztest.Must(t, p.Close())
}

// TestClosed: a policy can be closed twice, and opens no keystore afterwards.
func TestClosed(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	rules := policy.Rules{{Curve: &policy.Curve{Keystores: []string{s.Clients}}}}
	p := newPolicy(t, rules)
	ztest.Must(t, p.Close(), p.Close())
	for _, err := range []error{p.Set(rules), p.Reload()} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// TestListOfCodeFollowed: a change of a revocation list that rules of a program name is
// noticed.
func TestListOfCodeFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := cert.GenerateAuthority("")
	alice := signed(t, authority, "alice")
	mkdir(t, filepath.Join(dir, "clients"), alice)
	now := time.Now().UTC().Truncate(time.Second)
	path := filepath.Join(dir, "acme.revoked")
	listOf(t, path, authority, now.Add(-time.Hour), now.Add(time.Hour))
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{
		Keystores: []string{filepath.Join(dir, "clients")}, Authorities: []cert.AuthorityKey{authority.Key}, Revocations: []string{path},
	}}})
	ztest.Background(t, p.Watch)
	if !admits(p, "", alice) {
		t.Fatal("alice isn't admitted")
	}
	listOf(t, path, authority, now, now.Add(time.Hour), alice)
	ztest.Wait(t, "alice is refused", func() bool { return !admits(p, "", alice) })
}

// TestHandlers: policies of each kind pass the tests that every handler should pass.
func TestHandlers(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	known := s.Store(t)
	defer known.Close()
	byDefault, err := policy.Default(known, policy.Options{})
	ztest.Must(t, err)
	defer byDefault.Close()
	rules := everything(s)
	loaded, _ := load(t, s.Dir, rules.String())
	for name, p := range map[string]*policy.Policy{"Default": byDefault, "Load": loaded, "New": newPolicy(t, rules), "zero": new(policy.Policy)} {
		t.Run(name, func(t *testing.T) {
			zaptest.TestHandler(t, p, zaptest.Curve("traders", s.Trader.Public), zaptest.Plain("", "guest", "pässword"), zaptest.Null("open"))
		})
	}
}

// TestSetWhileWatched: a keystore that new rules name is watched, too.
func TestSetWhileWatched(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	one, two := mkdir(t, filepath.Join(t.TempDir(), "one")), mkdir(t, filepath.Join(t.TempDir(), "two"))
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Keystores: []string{one}}}})
	ztest.Background(t, p.Watch)
	ztest.Must(t, p.Set(policy.Rules{{Curve: &policy.Curve{Keystores: []string{two}}}}))
	put(t, one, alice)
	put(t, two, alice)
	ztest.Wait(t, "alice is admitted", func() bool { return admits(p, "", alice) })
}
