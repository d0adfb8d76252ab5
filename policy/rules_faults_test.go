package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestSameFaults: an error has the same text and the same place in rules of a program and
// in a file.
func TestSameFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.zpl")
	published, err := cert.ParseAuthorityKey("ed25519:30zIMxc6EESbYUu17PS37+BRI23XSbnTuYSe1LQJNDM")
	ztest.Must(t, err)
	sound := cert.GenerateAuthority("").Key
	account := func(change func(*policy.Account)) policy.Domain {
		a := policy.Account{Login: "a", Hash: argon2Of}
		change(&a)
		return policy.Domain{Accounts: []policy.Account{a}}
	}
	scram := policy.Account{Login: "a", Hash: verifierOf("x")}
	withPassword := func(d policy.Domain, groups ...string) policy.Domain {
		d.Curve = &policy.Curve{Keystores: []string{"mem:"}, PasswordFor: groups}
		if d.Accounts == nil {
			d.Accounts = []policy.Account{scram}
		}
		return d
	}
	byCurve := func(c policy.Curve) policy.Domain { return policy.Domain{Curve: &c} }
	many := zap.Metadata{}
	for i := range zap.MaxProperties {
		many = append(many, zap.Metadata{{Name: fmt.Sprint("x", i), Value: "1"}}...)
	}
	for _, tt := range []struct {
		rules policy.Rules
		want  string
	}{
		{nil, "1:1: no section security"},
		{policy.Rules{{}, {}}, `2:1: duplicate section security for domain "*"`},
		{policy.Rules{{Name: "zauth", Anonymous: true}}, "1:1: invalid value: domain zauth"},
		{policy.Rules{{Name: "zauth", Curve: &policy.Curve{Any: true}}}, "1:1: invalid value: domain zauth"},
		{policy.Rules{{Allow: []string{"10.0.0.0/8", "nowhere"}}}, "3:13: invalid value: allow: expected an address or network"},
		{policy.Rules{{Deny: []string{"fe80::1%eth0"}}}, "2:13: invalid value: deny: an address cannot have a zone"},
		{policy.Rules{{Failures: -1}}, "2:16: invalid value: failures: expected a number"},
		{policy.Rules{{UserID: "login"}}, "2:15: invalid value: user-id: expected name or key"},
		{policy.Rules{{Principals: []string{""}}}, "3:22: invalid value: principal is empty"},
		{policy.Rules{account(func(a *policy.Account) { a.Login = "" })}, "3:9: account: missing login"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = "" })}, "3:9: account: missing password"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = "$6$crypt" })}, "5:25: unknown password hash"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = argon2Of + "$" })}, "5:25: unknown password hash"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = "SCRAM-SHA-1$4096:AAAA" })}, "5:25: unknown password hash"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = "scram-sha-256$x" })}, "5:25: unknown password hash"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = "SCRAM-SHA-256$x" })}, "5:25: invalid value: password: malformed SCRAM verifier"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = strings.Replace(verifierOf("x"), "600000", "4095", 1) })}, "5:25: invalid value: password: number of iterations"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = argon2Of + " SCRAM-SHA-256$x" })}, "5:25: invalid value: password: malformed SCRAM verifier"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = argon2Of + " " + argon2Of })}, "5:25: invalid value: password: expected one hash, one verifier, or one of each"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = verifierOf("x") + " " + verifierOf("y") })}, "5:25: invalid value: password: expected one hash, one verifier, or one of each"},
		{policy.Rules{account(func(a *policy.Account) { a.Hash = verifierOf("x") + " hunter2" })}, "5:25: unknown password hash"},
		{policy.Rules{account(func(a *policy.Account) { a.Login, a.Hash = "Ⅸ", verifierOf("x") })}, `4:22: invalid value: login: SCRAM clients send it as "IX"`},
		{policy.Rules{account(func(a *policy.Account) { a.Login, a.Hash = "a\u0627", verifierOf("x") })}, "4:22: invalid value: login: SCRAM clients cannot send it"},
		{policy.Rules{account(func(a *policy.Account) { a.Login, a.Hash = "\u00ad", verifierOf("x") })}, "4:22: invalid value: login: SCRAM clients cannot send it"},
		{policy.Rules{account(func(a *policy.Account) { a.UserID = "Zoë" })}, "6:24: invalid value: user-id: expected printable ASCII"},
		{policy.Rules{account(func(a *policy.Account) { a.UserID = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" })}, "3:9: invalid value: the user id"},
		{policy.Rules{account(func(a *policy.Account) { a.Groups = []string{""} })}, "6:22: invalid value: group is empty"},
		{policy.Rules{account(func(a *policy.Account) { a.Metadata = zap.Metadata{{Name: "Group", Value: "x"}} })}, "7:17: duplicate Group"},
		{policy.Rules{account(func(a *policy.Account) { a.Metadata = zap.Metadata{{Name: "User-Id", Value: "x"}} })}, "7:17: unknown name User-Id"},
		{policy.Rules{account(func(a *policy.Account) { a.Metadata = many })}, "70:17: invalid value: metadata has more than 63 lines"},
		{policy.Rules{{Accounts: []policy.Account{{Login: "a", Hash: argon2Of}, {Login: "a", Hash: argon2Of}}}}, `6:9: duplicate account "a"`},
		{policy.Rules{{Accounts: []policy.Account{{Login: "Ⅸ", Hash: argon2Of}, {Login: "IX", Hash: verifierOf("x")}}}}, `6:9: duplicate account "IX": SCRAM clients cannot tell its login from "Ⅸ"`},
		{policy.Rules{{Accounts: []policy.Account{{Login: "IX", Hash: verifierOf("x")}, {Login: "Ⅸ", Hash: argon2Of}}}}, `6:9: duplicate account "Ⅸ"`},
		{policy.Rules{{SASL: []string{"PLAIN", "SCRAM-SHA256"}}}, `3:12: invalid value: sasl: unknown mechanism "SCRAM-SHA256": did you mean SCRAM-SHA-256?`},
		{policy.Rules{{SASL: []string{"plain"}}}, `2:12: invalid value: sasl: unknown mechanism "plain": did you mean PLAIN?`},
		{policy.Rules{{SASL: []string{""}}}, `2:13: invalid value: sasl: unknown mechanism "": expected one of SCRAM-SHA-256-PLUS, CURVE`},
		{policy.Rules{{SASL: []string{"KERBEROS_V4"}}}, `2:12: invalid value: sasl: unknown mechanism "KERBEROS_V4": expected one of SCRAM-SHA-256-PLUS, CURVE`},
		{policy.Rules{{SASL: []string{"PLAIN", "PLAIN"}}}, "3:12: duplicate PLAIN"},
		{policy.Rules{{Name: "zauth", SASL: []string{"PLAIN"}}}, "1:1: invalid value: domain zauth admits services to zauth by their key alone"},
		{policy.Rules{withPassword(policy.Domain{Name: "zauth"}, "x")}, "1:1: invalid value: domain zauth admits services to zauth by their key alone"},
		{policy.Rules{withPassword(policy.Domain{}, "")}, "8:25: invalid value: password-for is empty"},
		{policy.Rules{withPassword(policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: argon2Of}}}, "x")}, "8:9: password-for needs an account with a verifier"},
		{policy.Rules{withPassword(policy.Domain{Accounts: []policy.Account{}}, "x")}, "4:9: password-for needs an account with a verifier"},
		{policy.Rules{withPassword(policy.Domain{SASL: []string{"CURVE"}}, "x")}, "9:9: password-for needs SCRAM-SHA-256-PLUS: add it to sasl"},
		{policy.Rules{withPassword(policy.Domain{SASL: []string{"SCRAM-SHA-256-PLUS", "CURVE"}}, "*")}, "3:12: invalid value: sasl: password-for admits no client by CURVE"},
		{policy.Rules{withPassword(policy.Domain{Anonymous: true}, "*")}, "9:9: password-for admits no client without a key: remove anonymous"},
		{policy.Rules{withPassword(policy.Domain{Principals: []string{"p"}}, "x")}, "8:9: password-for admits no client without a key: remove gssapi"},
		{policy.Rules{withPassword(policy.Domain{SASL: []string{"SCRAM-SHA-256-PLUS", "CURVE", "PLAIN"}}, "x")}, "4:12: invalid value: sasl: password-for admits no client by PLAIN"},
		{policy.Rules{byCurve(policy.Curve{Any: true, PasswordFor: []string{"x"}})}, "2:5: any = 1 admits every key: remove it, or remove password-for"},
		{policy.Rules{byCurve(policy.Curve{})}, "2:5: curve = 1 needs a keystore"},
		{policy.Rules{byCurve(policy.Curve{Any: true, Groups: []string{"x"}})}, "2:5: any = 1 admits every key"},
		{policy.Rules{byCurve(policy.Curve{Any: true, Revocations: []string{"x"}})}, "2:5: revoked needs authority"},
		{policy.Rules{byCurve(policy.Curve{Keystores: []string{"x"}, Authorities: []cert.AuthorityKey{published}})}, "4:22: invalid value: authority: well-known test key"},
		{policy.Rules{byCurve(policy.Curve{Keystores: []string{"dir:" + filepath.Join(dir, "missing")}})}, "3:20: "},
		{policy.Rules{byCurve(policy.Curve{Keystores: []string{"etcd:x"}})}, "3:20: "},
		{policy.Rules{byCurve(policy.Curve{Keystores: []string{"mem:"}, Authorities: []cert.AuthorityKey{sound}, Revocations: []string{filepath.Join(dir, "missing")}})}, "5:19: "},
		{policy.Rules{{Failures: -1}, {Name: "b", Deny: []string{"x"}}}, "2:16: invalid value: failures: expected a number from 0 on\nFILE:5:12: invalid value: deny"},
	} {
		_, err := policy.New(tt.rules, policy.Options{})
		if err == nil {
			t.Errorf("%s: no error", tt.want)
			continue
		}
		if want := "policy: rules:" + strings.ReplaceAll(tt.want, "FILE", "rules"); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		ztest.Must(t, os.WriteFile(file, []byte(tt.rules.String()), 0o600))
		_, ofFile := policy.Load(file, policy.Options{})
		if ofFile == nil {
			t.Errorf("%s: no error in a file:\n%s", tt.want, tt.rules)
			continue
		}
		if diff := cmp.Diff(strings.ReplaceAll(ofFile.Error(), file+":", "rules:"), err.Error()); diff != "" {
			t.Errorf("(-file +program):\n%s", diff)
		}
	}
}

// TestSameFormByPlain: accounts whose logins only SASLprep makes equal are valid if none of them
// has a verifier: clients send them as they are.
func TestSameFormByPlain(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, policy.Rules{{Accounts: []policy.Account{{Login: "IX", Hash: argon2Of, UserID: "a"}, {Login: "Ⅸ", Hash: argon2Of, UserID: "b"}}}})
	check(t, p, ask("", "", zap.Plain, "IX", "pässword"), decision{"OK", "a", 3})
	check(t, p, ask("", "", zap.Plain, "Ⅸ", "pässword"), decision{"OK", "b", 7})
}

// TestUnwritable: rules that a file can't hold are an error.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		domain policy.Domain
		want   string
	}{
		{policy.Domain{Name: "a\nb"}, "rules:2:15: invalid value: domain: control character"},
		{policy.Domain{Principals: []string{"\xff"}}, "rules:3:22: invalid value: principal: not UTF-8"},
		{policy.Domain{Curve: &policy.Curve{Keystores: []string{"dir:a\x00"}}}, "rules:3:21: invalid value: keystore: control character"},
		{policy.Domain{Accounts: []policy.Account{{Login: "a\" #' #", Hash: argon2Of}}}, "rules:4:22: invalid value: login: "},
		{policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: argon2Of, Groups: []string{"a,b"}}}}, `rules:6:22: invalid value: group: "a,b": expected a name without commas`},
		{policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: verifierOf("x")}}, Curve: &policy.Curve{Keystores: []string{"mem:"}, PasswordFor: []string{"a,b"}}}, `rules:8:25: invalid value: password-for: "a,b": expected a name without commas`},
		{policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: argon2Of + "\n" + verifierOf("x")}}}, "rules:5:25: invalid value: password: control character"},
		{policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: " "}}}, "rules:5:25: invalid value: password is empty"},
		{policy.Domain{SASL: []string{"PLAIN,CURVE"}}, `rules:2:13: invalid value: sasl: unknown mechanism "PLAIN,CURVE"`},
		{policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: "secret"}}}, "rules:5:24: unknown password hash"},
		{policy.Domain{Accounts: []policy.Account{{Login: "a", Hash: argon2Of, Metadata: zap.Metadata{{Name: "x", Value: "\t"}}}}}, "rules:7:22: invalid value: x: control character"},
		{policy.Domain{Curve: &policy.Curve{Readers: []keystore.Reader{nil}}}, "rules:3:9: nil keystore"},
	} {
		if _, err := policy.New(policy.Rules{tt.domain}, policy.Options{}); err == nil || !strings.HasPrefix(err.Error(), "policy: "+tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
