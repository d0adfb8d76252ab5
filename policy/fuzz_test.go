package policy

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// policies are the seeds of the fuzz tests.
var policies = []string{
	"security\n    domain = a\n    allow = 10.0.0.0/8\n    deny = ::1\n    anonymous = 1\n",
	"security\n    plain = 1\n        account\n            login = a\n            password = b\n            group = c\n    failures = 3\n",
	"security\n    curve = 1\n        keystore = mem:\n        group = x\n        revoked = y\n        authority = \"ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"\n",
	"security\n    curve = 1\n        any = 1\nsecurity\n    gssapi = 1\n        principal = p\n    echo = x\nserver\n",
	"security\n    plain = 1\n        account\n            login = a\n            password = \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA\"\n",
	"security\n    domain = zauth\n    user-id = key\n    allow = 64:ff9b::/96\n    plain = 1\n        account\n            login = a\n            password = b\n            user-id = c\n            group = \"d, e\"\n            metadata\n                desk = 7\nbind\n",
	"securty\n    alow = 1\n",
	"security\n    sasl = \"SCRAM-SHA-256-PLUS, PLAIN\"\n    sasl = SCRAM-SHA-256\n    plain = 1\n        account\n            login = a\n            password = \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA SCRAM-SHA-256$4096:c29tZXNhbHQ=$XjGPjPnL4kmjCBK4yhMtaR3tepGZFBNVjbV1hXX14B8=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n            group = x\n",
	"security\n    plain = 1\n        account\n            login = a\n            password = \"SCRAM-SHA-256$4096:c29tZXNhbHQ=$XjGPjPnL4kmjCBK4yhMtaR3tepGZFBNVjbV1hXX14B8=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n    curve = 1\n        keystore = mem:\n        password-for = \"x, y\"\n        password-for = *\n",
}

// FuzzPolicy: every text is a policy or has errors with places, and a policy admits a
// client only by one of its lines.
func FuzzPolicy(f *testing.F) {
	for _, text := range policies {
		f.Add(text)
	}
	key, clientKey := string(make([]byte, 31))+"\x09", bytes.Repeat([]byte("k"), 32)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse("policy", []byte(text))
		if err != nil {
			for _, err := range faultsOf(t, err) {
				if fault := new(cert.SyntaxError); !errors.As(err, &fault) || fault.Line < 1 || fault.Column < 1 || fault.Err == nil || fault.File != "policy" {
					t.Errorf("%+v", fault)
				}
			}
			return
		}
		for _, s := range c.sections {
			if s.curve != nil {
				s.curve.revoked = nil // files
			}
			if s.plain != nil {
				for _, a := range s.plain.accounts {
					if a.password != nil && (a.password.bcrypt != nil || a.password.argon2.Memory > 64) {
						return // since hashing takes time
					}
				}
			}
		}
		m, err := openMemory("")
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSnapshot(c, func(string) (keystore.Store, error) { return keystore.Open("mem:", nil) }, m)
		if err != nil {
			t.Fatal(err)
		}
		s.summary()
		s.emptyGroups()
		p := new(Policy)
		p.current.Store(s)
		domains := []string{"", "other", ControlDomain, DecisionsDomain}
		for name := range s.domains {
			domains = append(domains, name)
		}
		for _, domain := range domains {
			for _, address := range []string{"", "10.1.2.3", "::1", "::ffff:10.1.2.3", "64:ff9b::1", "localhost:1:1:1", "nowhere"} {
				if got := p.Mechanisms(domain, true); len(got) < len(p.Mechanisms(domain, false)) || len(got) > 0 && IsOwn(domain) {
					t.Errorf("offered in %q: %v", domain, got)
				}
				if v, _ := p.Verifier(context.Background(), domain, "nobody"); v.Matches(clientKey) {
					t.Error("a decoy matches")
				}
				for mechanism, credentials := range map[string][][]byte{
					zap.Null:   nil,
					zap.Plain:  {[]byte("a"), []byte("b")},
					zap.Curve:  {[]byte(key)},
					zap.GSSAPI: {[]byte("p")},
					"OTHER":    nil,

					zap.ScramSHA256:     {[]byte("a"), clientKey},
					zap.ScramSHA256Plus: {[]byte("a"), clientKey, []byte(key)},
				} {
					req := &zap.Request{Domain: domain, Address: address, Mechanism: mechanism, Credentials: credentials}
					reply := s.decide(context.Background(), req, time.Unix(0, 0))
					if reply.Rule == "" || reply.Status != zap.StatusOK && reply.Text == "" {
						t.Errorf("%+v: %+v", req, reply)
					}
					word := map[string]string{zap.Null: "anonymous", zap.Plain: "plain", zap.Curve: "curve", zap.GSSAPI: "gssapi", zap.ScramSHA256: "SCRAM", zap.ScramSHA256Plus: "SCRAM"}[mechanism]
					if reply.Status == zap.StatusOK && (word == "" || !strings.Contains(text, word)) {
						t.Errorf("%s was admitted by\n%s", mechanism, text)
					}
					if d := s.domain(domain); reply.Status == zap.StatusOK && mechanism != zap.ScramSHA256Plus && d.keys.passwordFor.all() != "" {
						t.Errorf("%s was admitted without both by\n%s", mechanism, text)
					}
				}
			}
		}
	})
}

// faultsOf returns the faults that an error lists.
func faultsOf(t testing.TB, err error) []error {
	t.Helper()
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		t.Fatalf("not a list of faults: %v", err)
	}
	return all.Unwrap()
}

// FuzzRules: Parse reads the same rules from the text that String returns, and New
// accepts them.
func FuzzRules(f *testing.F) {
	for _, text := range policies {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Parse("policy", []byte(text))
		if err != nil {
			return
		}
		for line := range strings.Lines(text) {
			if len(line) > zpl.MaxLine/2 {
				return // indentation and quotes can make it too long
			}
		}
		written := rules.String()
		again, err := Parse("policy", []byte(written))
		switch {
		case len(rules) == 0:
			t.Fatal("no rules and no error")
		case err != nil:
			t.Fatalf("%v\n%s", err, written)
		case again.String() != written:
			t.Errorf("written as\n%sand then as\n%s", written, again)
		}
		if _, err := rules.config(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRulesOfCode: a policy file can hold all rules that New accepts. Parse reads the
// same rules from the output of String, and no text in the rules adds lines to it.
func FuzzRulesOfCode(f *testing.F) {
	f.Add("a", "10.0.0.0/8", "b", "$2b$04$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "c", "d", "desk", "7", "mem:", "list", "p", "PLAIN CURVE", 3, byte(0x77))
	f.Add("a", "10.0.0.0/8", "b", "SCRAM-SHA-256$4096:c29tZXNhbHQ=$XjGPjPnL4kmjCBK4yhMtaR3tepGZFBNVjbV1hXX14B8=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "c", "d", "desk", "7", "mem:", "list", "p", "SCRAM-SHA-256-PLUS", 3, byte(0xf6))
	f.Add("*", "::1", "b", "x", "", "d", "desk", `a" #' #`, "./env:x", "list", "p\nq", "", -1, byte(0x0f))
	f.Fuzz(func(t *testing.T, domain, network, login, hash, userID, group, name, value, store, list, principal, mechanisms string, failures int, parts byte) {
		d := Domain{SASL: strings.Fields(mechanisms), Name: domain, Allow: []string{network}, Failures: failures, Anonymous: parts&1 != 0}
		if parts&2 != 0 {
			d.Accounts = []Account{{Login: login, Hash: hash, UserID: userID, Groups: []string{group}, Metadata: zap.Metadata{{Name: name, Value: value}}}}
		}
		if parts&4 != 0 {
			d.Curve = &Curve{Keystores: []string{store}, Any: parts&8 != 0}
			if parts&16 != 0 {
				d.Curve.Groups = []string{group}
			}
			if parts&128 != 0 {
				d.Curve.PasswordFor = []string{group}
			}
			if parts&32 != 0 {
				d.Curve.Authorities, d.Curve.Revocations = []cert.AuthorityKey{{1: 1}}, []string{list}
			}
		}
		if parts&64 != 0 {
			d.Principals = []string{principal}
		}
		for _, s := range []string{domain, login, hash, value, store, list, principal, group, name} {
			if len(s) > zpl.MaxLine/2 {
				return // its line can be too long
			}
		}
		rules := Rules{d}
		if _, err := rules.config(); err != nil {
			return
		}
		again, err := Parse("policy", []byte(rules.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, rules)
		}
		for i := range again { // Parse cleans paths
			if c := again[i].Curve; c != nil {
				c.Keystores, c.Revocations = d.Curve.Keystores, d.Curve.Revocations
			}
		}
		if again.String() != rules.String() {
			t.Errorf("written as\n%sand read as\n%s", rules, again)
		}
	})
}

// FuzzPassword: a text is a hash with limited parameters, a verifier, one of each, or an
// error.
func FuzzPassword(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$2b$04$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("SCRAM-SHA-256$4096:c29tZXNhbHQ=$XjGPjPnL4kmjCBK4yhMtaR3tepGZFBNVjbV1hXX14B8=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("SCRAM-SHA-256$4096:c29tZXNhbHQ=$XjGPjPnL4kmjCBK4yhMtaR3tepGZFBNVjbV1hXX14B8=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= $2b$04$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("hunter2")
	f.Add("$6$x")
	f.Fuzz(func(t *testing.T, text string) {
		p, v, err := parseHashes(text)
		if err != nil {
			if !errors.Is(err, errPassword) && !errors.Is(err, errValue) {
				t.Error(err)
			}
			return
		}
		if p == nil && v == nil {
			t.Errorf("%q: neither", text)
		}
		if v != nil && !strings.Contains(text, v.Encode()) {
			t.Errorf("%q is written as %s", text, v.Encode())
		}
		if p == nil {
			return
		}
		if a := p.argon2; a != nil && (!a.IsWithin(argon.Passwords) || len(a.hash) > 64) {
			t.Errorf("%q asks for %+v", text, a)
		}
		if !strings.Contains(text, "$") {
			t.Errorf("%q: read as a hash", text)
		}
	})
}

// BenchmarkRefusePlain shows that refusing an unknown user takes as long as refusing a
// wrong password.
func BenchmarkRefusePlain(b *testing.B) {
	c, err := parse("policy", []byte("security\n    failures = 1000000000\n    plain = 1\n        account\n            login = known\n            password = \""+
		HashPassword([]byte("hunter2"))+"\"\n"))
	if err != nil {
		b.Fatal(err)
	}
	m, err := openMemory("")
	if err != nil {
		b.Fatal(err)
	}
	s, err := newSnapshot(c, nil, m)
	if err != nil {
		b.Fatal(err)
	}
	for _, login := range []string{"known", "unknown"} {
		b.Run(login, func(b *testing.B) {
			req := &zap.Request{Mechanism: zap.Plain, Credentials: [][]byte{[]byte(login), []byte("wrong")}}
			for b.Loop() {
				if reply := s.decide(b.Context(), req, time.Now()); reply.Status != zap.StatusRefused {
					b.Fatal(reply)
				}
			}
		})
	}
}
