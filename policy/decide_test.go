package policy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// load writes a policy into a directory and loads it.
func load(t testing.TB, dir, text string) (*policy.Policy, *ztest.Log) {
	t.Helper()
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	log := new(ztest.Log)
	p, err := policy.Load(file, policy.Options{Log: log.Logger()})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return p, log
}

// ask makes a request from its parts: domain, address, mechanism, credentials.
func ask(domain, address, mechanism string, credentials ...string) *zap.Request {
	req := &zap.Request{Domain: domain, Address: address, Mechanism: mechanism}
	for _, c := range credentials {
		req.Credentials = append(req.Credentials, []byte(c))
	}
	return req
}

// decision is what a test expects: the text, the user id, and the line that
// decided.
type decision struct {
	text, user string
	line       int
}

func check(t *testing.T, p *policy.Policy, req *zap.Request, want decision) {
	t.Helper()
	reply := p.Handle(t.Context(), req)
	var line int
	if _, err := fmt.Sscanf(reply.Rule[strings.LastIndex(reply.Rule, ":")+1:], "%d", &line); err != nil {
		line = 0
	}
	got := decision{reply.Text, reply.UserID, line}
	name := fmt.Sprintf("%s from %s in %q", req.Mechanism, req.Address, req.Domain)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(decision{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	if (reply.Status == zap.StatusOK) != (want.text == "OK") {
		t.Errorf("%s: status %d", name, reply.Status)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), `security
    domain = lan
    allow = 10.0.0.0/8
    allow = 192.0.2.7
    allow = 2001:db8::/32
    deny = 10.66.0.0/16
    deny = 2001:db8:bad::/48
    anonymous = 1
security
    domain = outside
    deny = 10.0.0.0/8
    anonymous = 1
security
    domain = mapped
    allow = ::ffff:10.0.0.0/104
    anonymous = 1
`)
	for _, tt := range []struct {
		domain, address string
		want            decision
	}{
		{"lan", "10.1.2.3", decision{"OK", "", 8}},
		{"lan", "::ffff:10.1.2.3", decision{"OK", "", 8}},
		{"lan", "192.0.2.7", decision{"OK", "", 8}},
		{"lan", "2001:db8::1", decision{"OK", "", 8}},
		{"lan", "fe80::1%eth0", decision{"address not allowed", "", 1}},
		{"lan", "10.66.0.1", decision{"address denied", "", 6}},
		{"lan", "::ffff:10.66.0.1", decision{"address denied", "", 6}},
		{"lan", "2001:db8:bad::1", decision{"address denied", "", 7}},
		{"lan", "192.0.2.8", decision{"address not allowed", "", 1}},
		{"lan", "", decision{"address not allowed", "", 1}},
		{"lan", "localhost", decision{"not an IP address", "", 1}},
		{"lan", "localhost:1000:1000:17", decision{"address not allowed", "", 1}},
		{"lan", "64:ff9b::10.1.2.3", decision{"address not allowed", "", 1}},
		{"lan", "64:ff9b::10.66.0.1", decision{"address denied", "", 6}},
		{"outside", "10.0.0.1", decision{"address denied", "", 11}},
		{"outside", "192.0.2.1", decision{"OK", "", 12}},
		{"outside", "", decision{"OK", "", 12}},
		{"outside", "localhost:1000:1000:17", decision{"OK", "", 12}},
		{"outside", "10.0.0.1:4711", decision{"not an IP address", "", 9}},
		{"outside", "10.0.000.001", decision{"not an IP address", "", 9}},
		{"outside", "64:ff9b::10.0.0.1", decision{"address denied", "", 11}},
		{"mapped", "10.9.9.9", decision{"OK", "", 16}},
		{"mapped", "11.9.9.9", decision{"address not allowed", "", 13}},
		{"unknown", "10.1.2.3", decision{"no rule for this domain", "", 0}},
		{"", "10.1.2.3", decision{"no rule for this domain", "", 0}},
	} {
		check(t, p, ask(tt.domain, tt.address, zap.Null), tt.want)
	}
}

// TestMechanisms: nothing is allowed that no line allows.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	key := string(make([]byte, 31)) + "\x09"
	for line, allows := range map[string]string{
		"": "",
		"    anonymous = 0\n    plain = 0\n        account\n            login = a\n            password = b\n    curve = 0\n        any = 1\n": "",
		"    anonymous = 1\n": "NULL",
		"    plain = 1\n        account\n            login = guest\n            password = guest\n": "PLAIN",
		"    curve = 1\n        any = 1\n":                        "CURVE",
		"    gssapi = 1\n        principal = alice@EXAMPLE.ORG\n": "GSSAPI",
	} {
		p, _ := load(t, t.TempDir(), "security\n"+line)
		for _, req := range []*zap.Request{
			ask("any", "192.0.2.1", zap.Null),
			ask("", "", zap.Plain, "guest", "guest"),
			ask("any", "192.0.2.1", zap.Curve, key),
			ask("any", "192.0.2.1", zap.GSSAPI, "alice@EXAMPLE.ORG"),
			ask("any", "192.0.2.1", "OTHER"),
		} {
			reply := p.Handle(t.Context(), req)
			if got := reply.Status == zap.StatusOK; got != (req.Mechanism == allows) {
				t.Errorf("%q: %s: %d %s", line, req.Mechanism, reply.Status, reply.Text)
			}
			if !strings.Contains(reply.Rule, "policy.zpl:") {
				t.Errorf("%q: %s: decided by %q", line, req.Mechanism, reply.Rule)
			}
		}
	}
}

func TestGSSAPI(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    gssapi = 1\n        principal = alice@EXAMPLE.ORG\n        principal = bob@EXAMPLE.ORG\n")
	check(t, p, ask("", "", zap.GSSAPI, "bob@EXAMPLE.ORG"), decision{"OK", "bob@EXAMPLE.ORG", 4})
	check(t, p, ask("", "", zap.GSSAPI, "eve@EXAMPLE.ORG"), decision{"unknown principal", "", 2})
	check(t, p, ask("", "", zap.GSSAPI), decision{"expected one principal", "", 1})
}

// bcryptOf is a hash that takes no time.
func bcryptOf(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	ztest.Must(t, err)
	return string(hash)
}

// argon2Of is the hash of pässword by Argon2id, with what takes no time.
const argon2Of = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$ybEN4716GDXeL9vt6isrDRxvfOA2BoWMJMwc34k3rz0"

// TestHashPassword: what is made of a password by default is the second recommended
// option of RFC 9106, and lets in who knows it.
func TestHashPassword(t *testing.T) {
	t.Parallel()
	hash := policy.HashPassword([]byte("hunter2"))
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("the hash is %s", hash)
	}
	p, _ := load(t, t.TempDir(), fmt.Sprintf("security\n    plain = 1\n        account\n            login = a\n            password = %q\n", hash))
	check(t, p, ask("", "", zap.Plain, "a", "hunter2"), decision{"OK", "a", 3})
}

// TestPlain: passwords in each form; and none of the ways in that others leave
// open.
func TestPlain(t *testing.T) {
	t.Parallel()
	p, log := load(t, t.TempDir(), fmt.Sprintf(`security
    plain = 1
        account
            login = argon
            password = "%s"
            group = admins
        account
            login = bcrypt
            password = "%s"
        account
            login = clear
            password = "it's # me"
`, argon2Of, bcryptOf(t, "hunter2")))
	if log.Count("level=WARN", "policy.zpl:12: password in clear", "zauth hash") != 1 || strings.Contains(log.String(), "it's") {
		t.Errorf("log:\n%s", log)
	}
	wrong := decision{"wrong user name or password", "", 2}
	for range 2 { // the second time the password is remembered
		for _, tt := range []struct {
			login, password string
			want            decision
		}{
			{"argon", "pässword", decision{"OK", "argon", 3}},
			{"bcrypt", "hunter2", decision{"OK", "bcrypt", 7}},
			{"clear", "it's # me", decision{"OK", "clear", 10}},
			{"argon", "password", wrong},
			{"argon", "", wrong},
			{"bcrypt", "hunter22", wrong},
			{"clear", "it's # m", wrong},
			{"clear", "", wrong},
			{"unknown", "", wrong}, // which pebbe/zmq4 lets in
			{"unknown", "hunter2", wrong},
			{"", "", wrong},
			{"ARGON", "pässword", wrong},
			{"argon\x00", "pässword", wrong},
			{"argonp", "ässword", wrong}, // the same octets, cut elsewhere
		} {
			check(t, p, ask("", "192.0.2.1", zap.Plain, tt.login, tt.password), tt.want)
		}
	}
	reply := p.Handle(t.Context(), ask("", "", zap.Plain, "argon", "pässword"))
	if diff := cmp.Diff(zap.Metadata{{Name: "group", Value: "admins"}}, reply.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	for _, credentials := range [][]string{nil, {"clear"}, {"clear", "it's # me", ""}} {
		check(t, p, ask("", "", zap.Plain, credentials...), decision{"expected a user name and a password", "", 1})
	}
}

// TestFailures: an address that fails too often is refused without work, and may
// try again later.
func TestFailures(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), fmt.Sprintf(`security
    failures = 5
    plain = 1
        account
            login = guest
            password = "%s"
`, bcryptOf(t, "guest")))
	good, bad := ask("", "192.0.2.1", zap.Plain, "guest", "guest"), ask("", "192.0.2.1", zap.Plain, "guest", "x")
	for range 5 {
		check(t, p, good, decision{"OK", "guest", 4})
		check(t, p, bad, decision{"wrong user name or password", "", 3})
	}
	limited := decision{"too many failures from this address", "", 1}
	check(t, p, bad, limited)
	check(t, p, good, limited)
	other := *good
	other.Address = "192.0.2.2"
	check(t, p, &other, decision{"OK", "guest", 4})
}

// put writes a certificate into a directory as NAME.key.
func put(t testing.TB, dir string, c *cert.Certificate) {
	t.Helper()
	ztest.Must(t, os.MkdirAll(dir, 0o755))
	ztest.Must(t, c.SavePublic(filepath.Join(dir, c.Name()+".key"), cert.Replace))
}

func TestCurve(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	inDirectory, future := scenario.Named("inDirectory"), scenario.Named("future")
	now := time.Now().UTC().Truncate(time.Second)
	future.Validity.NotBefore = now.Add(time.Hour)
	put(t, s.Clients, future)
	put(t, filepath.Join(s.Clients, "admins"), inDirectory)
	other, signedByOther, takenBack := cert.GenerateAuthority(""), scenario.Named("signedByOther"), scenario.Named("takenBack")
	ztest.Must(t, s.Authority.Sign(takenBack))
	ztest.Must(t, other.Sign(signedByOther))
	for _, c := range []*cert.Certificate{s.Signed, signedByOther, takenBack, s.Guest} {
		put(t, filepath.Join(s.Dir, "staff"), c)
	}
	list := new(cert.RevocationList)
	_, err := list.Revoke(cert.Revocation{Key: takenBack.Public, Time: now})
	ztest.Must(t, err)
	ztest.Must(t, s.Authority.SignRevocations(list, now.Add(-time.Hour), now.Add(time.Hour)))
	ztest.Must(t, list.Save(filepath.Join(s.Dir, "acme.revoked")))
	oldAuthority, ofOld := cert.GenerateAuthority(""), scenario.Named("ofOld")
	ztest.Must(t, oldAuthority.Sign(ofOld))
	put(t, filepath.Join(s.Dir, "staff"), ofOld)
	ztest.Must(t, oldAuthority.SignRevocations(list, now.Add(-2*time.Hour), now.Add(-time.Hour)))
	ztest.Must(t, list.Save(filepath.Join(s.Dir, "old.revoked")))

	p, _ := load(t, s.Dir, fmt.Sprintf(`security
    domain = known
    curve = 1
        keystore = dir:clients
        keystore = staff
security
    domain = groups
    curve = 1
        keystore = dir:clients
        group = traders
        group = admins
security
    domain = signed
    curve = 1
        keystore = dir:staff
        authority = %[1]q
        revoked = acme.revoked
security
    domain = old
    curve = 1
        keystore = dir:staff
        authority = %[2]q
        authority = %[1]q
        revoked = old.revoked
security
    domain = any
    curve = 1
        keystore = dir:clients
        any = 1
security
    domain = elsewhere
    curve = 1
        any = 1
`, s.Authority.Key, oldAuthority.Key))
	revokedAt, _ := s.Store(t).Revocation(s.Revoked.Public)
	revoked := "key revoked on " + revokedAt.Time.Format(time.RFC3339) + ": laptop stolen"
	takenBackText := "certificate revoked: on " + now.Format(time.RFC3339)
	expiredText := "revocation list expired on " + now.Add(-time.Hour).Format(time.RFC3339) + ": run zcert revoke to renew " + filepath.Join(s.Dir, "old.revoked")
	unknown := decision{"unknown key", "", 0}
	at := func(d decision, line int) decision { d.line = line; return d }
	ok := func(name string, line int) decision { return decision{"OK", name, line} }
	for _, tt := range []struct {
		domain string
		c      *cert.Certificate
		want   decision
	}{
		{"known", s.Trader, ok("trader", 4)},
		{"known", inDirectory, ok("inDirectory", 4)},
		{"known", s.Guest, ok("guest", 4)},
		{"known", s.Signed, ok("signed", 4)},
		{"known", signedByOther, ok("signedByOther", 5)},
		{"known", s.Stranger, at(unknown, 3)},
		{"known", s.Expired, decision{"certificate expired", "", 4}},
		{"known", future, decision{"certificate not valid yet", "", 4}},
		{"known", s.Revoked, decision{revoked, "", 4}},
		{"groups", s.Trader, ok("trader", 9)},
		{"groups", inDirectory, ok("inDirectory", 9)},
		{"groups", s.Guest, decision{"not in a group that is allowed", "", 9}},
		{"groups", s.Stranger, at(unknown, 8)},
		{"signed", s.Signed, ok("signed", 15)},
		{"signed", signedByOther, decision{"not signed by an authority that is trusted", "", 15}},
		{"signed", s.Guest, decision{"not signed by an authority that is trusted", "", 15}},
		{"signed", takenBack, decision{takenBackText, "", 17}},
		{"signed", s.Trader, at(unknown, 14)},
		{"old", ofOld, decision{expiredText, "", 24}},
		{"old", takenBack, decision{takenBackText, "", 24}},
		{"any", s.Stranger, ok(s.Stranger.Public.String(), 29)},
		{"any", s.Trader, ok("trader", 28)},
		{"any", s.Revoked, decision{revoked, "", 28}},
		{"elsewhere", s.Revoked, decision{revoked, "", 32}},
		{"any", s.Expired, decision{"certificate expired", "", 28}},
		{"any", &cert.Certificate{Public: curve.PublicKey{1}}, at(unknown, 27)}, // low order
	} {
		t.Run(tt.domain+" "+tt.c.Name(), func(t *testing.T) {
			check(t, p, ask(tt.domain, "192.0.2.1", zap.Curve, string(tt.c.Public[:])), tt.want)
		})
	}
	check(t, p, ask("known", "", zap.Curve, "short"), decision{"expected a key of 32 octets", "", 3})
	reply := p.Handle(t.Context(), ask("known", "", zap.Curve, string(s.Trader.Public[:])))
	want := zap.Metadata{{Name: "Claim-name", Value: "trader"}, {Name: "Claim-desk", Value: "7"}, {Name: "group", Value: "traders"}}
	if diff := cmp.Diff(want, reply.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

// TestFileMQ: the configuration of FileMQ loads as it is.
func TestFileMQ(t *testing.T) {
	t.Parallel()
	p, log := load(t, t.TempDir(), `#   Server configuration
#
server
    timeout = 5000          #   Client expiry timeout
    background
        heartbeat = 1000
publish
    location = ./fmqroot/send
    alias = /photos

#   Security: this is a test
security
    echo = I: use guest/guest to login to server
    #   These are SASL mechanisms we accept
    anonymous = 0
    plain = 1
        account
            login = "guest"
            password = "guest"
            group = "guest"
        account
            login = "super"
            password = "secret"
            group = "admin"
`)
	if log.Count("level=WARN", "section publish is none of a policy's business") != 1 {
		t.Errorf("log:\n%s", log)
	}
	check(t, p, ask("filemq", "192.0.2.1", zap.Plain, "super", "secret"), decision{"OK", "super", 21})
	check(t, p, ask("filemq", "192.0.2.1", zap.Plain, "super", "guest"), decision{"wrong user name or password", "", 16})
	check(t, p, ask("filemq", "192.0.2.1", zap.Null), decision{"NULL is not allowed", "", 12})
}

// TestFaults: every fault of a file is told, with its place and what may be meant.
func TestFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.zpl")
	const text = `securty
security
    alow = 10.0.0.0/8
    allow = 10.0.0.0/33
    deny = nowhere
    anonymous = yes
    failures = -1
    plain = 1
        acount
        account
            login = a
        account
            login = b
            password = "$argon2id$v=19$m=8,t=1,p=1$x$y"
        account
            login = b
            password = "$6$crypt"
            age = 7
    curve = 1
        group = traders
        authority = Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID
    curve = 1
        any = 1
        group = x
    gssapi = 1
security = payments
security
    domain = ""
    curve = 1
        keystore = etcd://host
`
	ztest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	_, err := policy.Check(file, policy.Options{})
	want := []string{
		"1:1: unknown name securty: did you mean security?",
		"3:5: unknown name alow: did you mean allow?",
		"4:13: unusable value: allow: want an address or network, such as 10.0.0.0/8 or fd00::/8",
		"5:12: unusable value: deny: want an address or network, such as 10.0.0.0/8 or fd00::/8",
		"6:17: unusable value: anonymous: want 1 or 0",
		"7:16: unusable value: failures: want a number from 0 on",
		"9:9: unknown name acount: did you mean account?",
		"10:9: account: missing: password",
		"14:25: not a hash that is known: want $argon2id$… or $2b$…, as zauth hash prints it",
		"15:9: account \"b\" stands twice",
		"17:25: not a hash that is known: want $argon2id$… or $2b$…, as zauth hash prints it",
		"18:13: unknown name age: want one of login, password, group, user-id, metadata",
		"19:5: curve: missing: keystore: no one can connect",
		"21:21: unusable value: authority: not an authority's key: 40 characters, expected ed25519: and 43 of base64 (zcert pubkey NAME.authority prints it)",
		"22:5: curve stands twice",
		"22:5: unusable value: any = 1 lets every key in, whatever its group and authority",
		"25:5: gssapi: missing: principal: no one can connect",
		"26:1: section security for domain \"*\": stands twice",
		"26:12: unusable value: security has no value: a domain is said by domain",
		"28:15: unusable value: domain is empty",
	}
	var errs policy.Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range errs {
		got = append(got, strings.TrimPrefix(e.Error(), file+":"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"":                   "1:1: no section security: nobody would be let in",
		"server\n":           "1:1: no section security: nobody would be let in",
		"security\n  \x00\n": "2:3: ",
		"security\n    curve = 1\n        keystore = dir:missing\n":                                                                    "3:20: keystore: stat " + dir,
		"security\n    curve = 1\n        keystore = etcd:x\n":                                                                         "3:20: keystore: \"etcd:x\": unknown kind",
		"security\n    curve = 1\n        any = 1\n        revoked = x\n":                                                              "2:5: curve: missing: authority",
		"security\n    curve = 1\n        keystore = .\n        authority = \"ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\n": "4:22: unusable value: authority: not an authority's key: ed25519:AQAA",
		"security\n    curve = 1\n        keystore = .\n        authority = \"ed25519:30zIMxc6EESbYUu17PS37+BRI23XSbnTuYSe1LQJNDM\"\n": "4:22: unusable value: authority: a test key, whose secret key is published",
	} {
		ztest.Must(t, os.WriteFile(file, []byte(text), 0o600))
		if _, err := policy.Load(file, policy.Options{}); err == nil || !strings.HasPrefix(err.Error(), file+":"+want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := policy.Load(filepath.Join(dir, "missing"), policy.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}
