package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestFileMQ: a configuration of FileMQ loads unchanged.
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
	if log.Count("level=WARN", "unhashed password") != 2 || log.Count("level=WARN") != 2 {
		t.Errorf("log:\n%s", log)
	}
	check(t, p, ask("filemq", "192.0.2.1", zap.Plain, "super", "secret"), decision{"OK", "super", 21})
	check(t, p, ask("filemq", "192.0.2.1", zap.Plain, "super", "guest"), decision{"wrong user name or password", "", 16})
	check(t, p, ask("filemq", "192.0.2.1", zap.Null), decision{"NULL is not allowed", "", 12})
}

// TestOtherSections: a policy can be part of a program's own configuration, and a
// mistyped section is still an error.
func TestOtherSections(t *testing.T) {
	t.Parallel()
	p, log := load(t, t.TempDir(), "database\n    port = 5432\n    allow = readers\nsecurity\n    anonymous = 1\n    allow = 10.0.0.0/8\ndeny = 10.66.0.0/16\ntimeout = 10\n")
	check(t, p, ask("", "10.1.2.3", zap.Null), decision{"OK", "", 5})
	// The sections of the program cause no warning, but a rule outside its section does.
	if log.Count("level=WARN", "policy.zpl:7", "deny is not in a section security: ignored") != 1 || log.Count("level=WARN") != 1 {
		t.Errorf("log:\n%s", log)
	}
	for _, name := range []string{"securty", "Security", "securities"} {
		if _, err := policy.Parse("p", []byte("security\n    anonymous = 1\n"+name+"\n")); (err == nil) != (name == "securities") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFaults: every error of a file is reported, with its place and a suggestion.
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
		"4:13: invalid value: allow: expected an address or network, such as 10.0.0.0/8 or fd00::/8",
		"5:12: invalid value: deny: expected an address or network, such as 10.0.0.0/8 or fd00::/8",
		"6:17: invalid value: anonymous: expected 1 or 0",
		"7:16: invalid value: failures: expected a number from 0 on",
		"9:9: unknown name acount: did you mean account?",
		"10:9: account: missing password",
		"14:25: unknown password hash: must begin with $argon2id$, $2b$ or SCRAM-SHA-256$; \"zauth hash\" makes one",
		"15:9: duplicate account \"b\"",
		"17:25: unknown password hash: must begin with $argon2id$, $2b$ or SCRAM-SHA-256$; \"zauth hash\" makes one",
		"18:13: unknown name age: expected one of login, password, group, user-id, metadata",
		"19:5: curve = 1 needs a keystore, or any = 1",
		"21:21: invalid value: authority: not an authority's key: 40 characters, expected ed25519: and 43 characters of base64 (zcert pubkey NAME.authority prints it)",
		"22:5: duplicate curve",
		"25:5: gssapi = 1 needs a principal",
		"26:1: duplicate section security for domain \"*\"",
		"26:12: invalid value: security takes no value: put domain = NAME below it",
		"28:15: invalid value: domain is empty",
	}
	if err == nil || !strings.HasPrefix(err.Error(), "policy: ") {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.SplitSeq(strings.TrimPrefix(err.Error(), "policy: "), "\n") {
		got = append(got, strings.TrimPrefix(line, file+":"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"":                   "1:1: no section security: the policy would refuse every client",
		"server\n":           "1:1: no section security: the policy would refuse every client",
		"security\n  \x00\n": "2:3: ",
		"security\n    curve = 1\n        keystore = dir:missing\n":                                                                    "3:20: keystore: stat " + dir,
		"security\n    curve = 1\n        keystore = etcd:x\n":                                                                         "3:20: keystore: \"etcd:x\": unknown keystore URL",
		"security\n    curve = 1\n        any = 1\n        revoked = x\n":                                                              "2:5: revoked needs authority",
		"security\n    curve = 1\n        keystore = .\n        authority = \"ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\n": "4:22: invalid value: authority: not an authority's key: ed25519:AQAA",
		"security\n    curve = 1\n        keystore = .\n        authority = \"ed25519:30zIMxc6EESbYUu17PS37+BRI23XSbnTuYSe1LQJNDM\"\n": "4:22: invalid value: authority: well-known test key: its secret key is public",
	} {
		ztest.Must(t, os.WriteFile(file, []byte(text), 0o600))
		if _, err := policy.Load(file, policy.Options{}); err == nil || !strings.HasPrefix(err.Error(), "policy: "+file+":"+want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := policy.Load(filepath.Join(dir, "missing"), policy.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}
