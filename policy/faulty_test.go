package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// always is a program's keystore that returns one identity for every key.
func always(id *keystore.Identity) keystore.Reader {
	return lookup(func(curve.PublicKey) (*keystore.Identity, bool) { return id, true })
}

// TestFaultyReader: a policy checks the identities from a program's keystore: their key,
// and the signature of a trusted authority.
func TestFaultyReader(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	forged := *s.Signed
	forged.Public = scenario.Named("mallory").Public
	weak := &cert.Certificate{Public: curve.PublicKey{1}}
	for name, tt := range map[string]struct {
		id  *keystore.Identity
		key curve.PublicKey
		any bool
	}{
		"another key":              {&keystore.Identity{Name: "alice", Certificate: s.Trader}, s.Stranger.Public, false},
		"forged":                   {&keystore.Identity{Name: "mallory", Certificate: &forged}, forged.Public, true},
		"forged without signature": {&keystore.Identity{Name: "mallory", Certificate: &cert.Certificate{Public: forged.Public, Authority: s.Authority.Key}}, forged.Public, true},
		"forged further one":       {&keystore.Identity{Name: "mallory", Certificate: &cert.Certificate{Public: forged.Public}, Others: []*cert.Certificate{&forged}}, forged.Public, true},
		"further one, another key": {&keystore.Identity{Name: "mallory", Certificate: &cert.Certificate{Public: forged.Public}, Others: []*cert.Certificate{s.Signed}}, forged.Public, true},
		"nil further one":          {&keystore.Identity{Name: "mallory", Certificate: &cert.Certificate{Public: forged.Public}, Others: []*cert.Certificate{nil}}, forged.Public, true},
		"weak key":                 {&keystore.Identity{Name: "weak", Certificate: weak}, weak.Public, false},
	} {
		c := &policy.Curve{Readers: []keystore.Reader{always(tt.id)}}
		if tt.any {
			c.Authorities = []cert.AuthorityKey{s.Authority.Key}
		}
		p := newPolicy(t, policy.Rules{{Curve: c}})
		if reply := p.Handle(t.Context(), ask("", "", zap.Curve, string(tt.key[:]))); reply.Status != zap.StatusRefused {
			t.Errorf("%s: %+v", name, reply)
		}
	}
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{always(&keystore.Identity{Name: "s", Certificate: s.Signed})}, Authorities: []cert.AuthorityKey{s.Authority.Key}}}})
	if !admits(p, "", s.Signed) {
		t.Error("a valid certificate is refused")
	}
}

// TestReaderMayBlock: a policy doesn't decide at once if it asks a program's keystore,
// which may be a database.
func TestReaderMayBlock(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice")
	reader := always(&keystore.Identity{Name: "alice", Certificate: alice})
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{reader}}}, {Name: "status", Anonymous: true}})
	if reply, ok := p.HandleAtOnce(ask("", "", zap.Curve, string(alice.Public[:]))); ok {
		t.Errorf("at once: %+v", reply)
	}
	if _, ok := p.HandleAtOnce(ask("status", "", zap.Null)); !ok {
		t.Error("not at once, although no keystore is asked")
	}
	if _, ok := p.HandleAtOnce(ask("", "", zap.Null)); !ok {
		t.Error("not at once by NULL")
	}
}

// TestAppendToReply: a program may append to the metadata of a reply. Other replies don't
// change.
func TestAppendToReply(t *testing.T) {
	t.Parallel()
	named := scenario.Named("alice")
	named.Metadata = append(named.Metadata, cert.Metadata{{Name: "a", Value: "1"}}...)
	account := policy.Account{Login: "bob", Hash: argon2Of, Metadata: zap.Metadata{{Name: "a", Value: "1"}, {Name: "b", Value: "1"}}}
	p := newPolicy(t, policy.Rules{{
		Accounts: []policy.Account{account},
		Curve:    &policy.Curve{Readers: []keystore.Reader{always(&keystore.Identity{Name: "alice", Certificate: named})}},
	}})
	for _, req := range []*zap.Request{ask("", "", zap.Curve, string(named.Public[:])), ask("", "", zap.Plain, "bob", "pässword")} {
		one, two := p.Handle(t.Context(), req).Metadata, p.Handle(t.Context(), req).Metadata
		if len(one) < 3 {
			t.Fatalf("metadata: %v", one)
		}
		one = append(one, zap.Metadata{{Name: "for", Value: "one"}}...)
		two = append(two, zap.Metadata{{Name: "for", Value: "two"}}...)
		if one.Get("for") != "one" || two.Get("for") != "two" {
			t.Errorf("%s: %v and %v share memory", req.Mechanism, one, two)
		}
	}
}

// loud is a program's keystore whose values can't be compared.
type loud struct {
	keystore.Store
	_ []string
}

// TestIncomparableStores: a keystore that can't be compared is an error, not a panic.
func TestIncomparableStores(t *testing.T) {
	t.Parallel()
	known := store(t, scenario.Named("alice"))
	defer known.Close()
	_, err := policy.New(policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{loud{Store: known}, loud{Store: known}}}}}, policy.Options{})
	if err == nil || !strings.Contains(err.Error(), "rules:3:9: policy_test.loud can't be compared: use a pointer to it") {
		t.Errorf("got %v", err)
	}
	if _, err := policy.New(policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{&loud{Store: known}}}}}, policy.Options{}); err != nil {
		t.Error(err)
	}
}

// TestNilKeystores: a nil keystore is an error, not a panic, whatever its type.
func TestNilKeystores(t *testing.T) {
	t.Parallel()
	var store keystore.Store
	for _, r := range []keystore.Reader{nil, store, (*loud)(nil)} {
		if _, err := policy.Default(r, policy.Options{}); err == nil || err.Error() != "policy: nil keystore" {
			t.Errorf("Default: %v", err)
		}
		if _, err := policy.New(policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{r}}}}, policy.Options{}); err == nil || err.Error() != "policy: rules:3:9: nil keystore" {
			t.Errorf("New: %v", err)
		}
	}
}

// TestManyProperties: a certificate with more metadata than a reply can carry is not a failure.
func TestManyProperties(t *testing.T) {
	t.Parallel()
	c := cert.Generate("alice")
	for i := range zap.MaxProperties {
		c.Metadata = append(c.Metadata, cert.Metadata{{Name: fmt.Sprint("x", i), Value: "1"}}...)
	}
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{always(&keystore.Identity{Name: "alice", Certificate: c, Groups: []string{"traders"}})}}}})
	reply, err := zap.Ask(t.Context(), p, request(c.Public))
	if err != nil || reply.Status != zap.StatusOK || reply.Metadata.Get("group") != "traders" || len(reply.Metadata) != zap.MaxProperties {
		t.Errorf("%v %+v", err, reply)
	}
}

// TestRevokedWithoutCurve: Revoked reports a revoked key even if no rule admits clients by CURVE.
func TestRevokedWithoutCurve(t *testing.T) {
	t.Parallel()
	alice, known := scenario.Named("alice"), keystore.NewMemory()
	p, err := policy.Default(known, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	ztest.Must(t, known.Revoke(alice.Public, alice.Validity.NotBefore, "lost"), p.Set(policy.Rules{{Anonymous: true}}))
	if _, ok := p.Revoked(alice.Public); !ok {
		t.Error("not revoked")
	}
}

// TestUserIDsOfReaders: a program's keystore can't give a client the user id of another
// client in an earlier keystore.
func TestUserIDsOfReaders(t *testing.T) {
	t.Parallel()
	alice, mallory := scenario.Named("alice"), scenario.Named("mallory")
	known := keystore.NewMemory()
	if err := known.Put(&keystore.Identity{Name: "alice", Certificate: alice}); err != nil {
		t.Fatal(err)
	}
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{known, always(&keystore.Identity{Name: "m", UserID: "alice", Certificate: mallory})}}}})
	if reply := p.Handle(t.Context(), ask("", "", zap.Curve, string(mallory.Public[:]))); reply.Status != zap.StatusOK || reply.UserID != mallory.Public.String() {
		t.Errorf("%+v", reply)
	}
}

// TestNearlySecurity: a section that is probably meant as a section security is an error.
func TestNearlySecurity(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Security\n", "SECURITY\n", "SECURTY\n", "securty\n", "Secruity\n", "security2\n",
		"security-payments\n    domain = payments\n",
		"policy\n    curve = 1\n        any = 1\n",
		"zauth\n    security\n        anonymous = 1\n",
		"anonymous = 1\n",
		"curve = 1\n    keystore = x\n",
	} {
		_, err := policy.Parse("p", []byte("security\n    anonymous = 1\n"+text))
		if err == nil || !strings.HasPrefix(err.Error(), "policy: p:3:1: unknown name ") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"publish\n    location = ./x\n", "bind = tcp://*:5555\n", "server\n    timeout = 10\n", "domain = payments\n", "client\n    curve\n        public-key = x\n"} {
		if _, err := policy.Parse("p", []byte("security\n"+text)); err != nil {
			t.Error(err)
		}
	}
}

// TestTextOfAllRules: New refuses rules that a policy file can't hold, and no text in
// rules adds lines to the output of String.
func TestTextOfAllRules(t *testing.T) {
	t.Parallel()
	const hard = `a" #' #`
	bcrypt := "$2b$04$" + strings.Repeat("A", 53-len(hard)) + hard
	for _, a := range []policy.Account{
		{Login: "a", Hash: argon2Of, UserID: hard},
		{Login: "a", Hash: bcrypt},
		{Login: "a", Hash: strings.Replace(bcrypt, `"`, "\n", 1)},
	} {
		rules := policy.Rules{{Accounts: []policy.Account{a}}}
		if _, err := policy.New(rules, policy.Options{}); err == nil {
			t.Errorf("accepted, but no text is the same:\n%s", rules)
		}
	}
	rules := policy.Rules{{Accounts: []policy.Account{{Login: "a", Hash: argon2Of, Metadata: zap.Metadata{{Name: "x = 1\nsecurity\n    domain = y\n    anonymous = 1\n#", Value: "1"}}}}}}
	if parsed, err := policy.Parse("rules", []byte(rules.String())); err == nil {
		t.Errorf("a name of metadata became a rule: %s", parsed)
	}
}

// TestChangedRules: rules that a program changes after Parse are checked in their new form.
func TestChangedRules(t *testing.T) {
	t.Parallel()
	text := "security\n    curve = 1\n        keystore = \"mem:\"\n        authority = \"" + cert.GenerateAuthority("").Key.String() + "\"\n"
	rules, err := policy.Parse("rules", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c := rules[0].Curve
	c.Authorities, c.Any = nil, true
	if _, err := policy.New(rules, policy.Options{}); err != nil {
		t.Error(err)
	}
	c.Any, c.Revocations = false, []string{"x"}
	if _, err := policy.New(rules, policy.Options{}); err == nil || !strings.Contains(err.Error(), "revoked needs authority") {
		t.Error(err)
	}
}

// TestPathsThatLookLikeURLs: a relative path stays relative to the file.
func TestPathsThatLookLikeURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, keystore, want string }{
		{"policy.zpl", "./mem:", "dir:mem:"},
		{"policy.zpl", "./env:HOME", "dir:env:HOME"},
		{"ab:cd/policy.zpl", "clients", "dir:ab:cd/clients"},
		{"ab/policy.zpl", "clients", "ab/clients"},
		{"ab/policy.zpl", "dir:clients", "dir:ab/clients"},
		{"ab/policy.zpl", "mem:", "mem:"},
	} {
		rules, err := policy.Parse(tt.file, []byte("security\n    curve = 1\n        keystore = \""+tt.keystore+"\"\n"))
		if err != nil || rules[0].Curve.Keystores[0] != tt.want {
			t.Errorf("%s in %s: got %v, %v", tt.keystore, tt.file, rules, err)
		}
	}
}
