package policy_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
)

// TestMechanismsOffered: a domain offers the mechanisms by which it can admit clients, or
// those of them that it lists, strongest first. PLAIN is offered unencrypted only if it is
// listed. The log has the mechanisms of ZAP and SCRAM.
func TestMechanismsOffered(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	const keys, gssapi, anonymous = "    curve = 1\n        keystore = dir:clients\n", "    gssapi = 1\n        principal = p\n", "    anonymous = 1\n"
	hash, verifier := "    plain = 1\n"+account("a", argon2Of), "    plain = 1\n"+account("a", verifierOf("x"))
	both := "    plain = 1\n" + account("a", argon2Of+" "+verifierOf("x"))
	for _, tt := range []struct{ text, encrypted, open, logged string }{
		{"", "", "", `""`},
		{anonymous, "ANONYMOUS", "ANONYMOUS", "NULL"},
		{hash, "PLAIN", "", "PLAIN"},
		{verifier, "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "SCRAM-SHA-256,SCRAM-SHA-256-PLUS"},
		{both, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN", "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-256-PLUS"},
		{keys, "CURVE EXTERNAL", "CURVE EXTERNAL", "CURVE"},
		{gssapi, "EXTERNAL", "EXTERNAL", "GSSAPI"},
		{anonymous + both + keys + gssapi, "SCRAM-SHA-256-PLUS CURVE EXTERNAL SCRAM-SHA-256 PLAIN ANONYMOUS", "SCRAM-SHA-256-PLUS CURVE EXTERNAL SCRAM-SHA-256 ANONYMOUS", "NULL,PLAIN,SCRAM-SHA-256,SCRAM-SHA-256-PLUS,CURVE,GSSAPI"},
		{"    sasl = \"PLAIN, SCRAM-SHA-256\"\n    sasl = CURVE\n" + both + keys, "CURVE SCRAM-SHA-256 PLAIN", "CURVE SCRAM-SHA-256 PLAIN", "PLAIN,SCRAM-SHA-256,CURVE"},
		{"    sasl = EXTERNAL\n" + both, "", "", "PLAIN"},
		{keys + "        password-for = traders\n" + both, "SCRAM-SHA-256-PLUS CURVE EXTERNAL", "SCRAM-SHA-256-PLUS CURVE EXTERNAL", "SCRAM-SHA-256-PLUS,CURVE"},
		{keys + "        password-for = traders\n" + both + account("b", argon2Of), "SCRAM-SHA-256-PLUS CURVE EXTERNAL", "SCRAM-SHA-256-PLUS CURVE EXTERNAL", "SCRAM-SHA-256-PLUS,CURVE"},
		{both + account("b", argon2Of), "PLAIN", "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-256-PLUS"},
		{both + account("b", argon2Of) + keys, "CURVE EXTERNAL PLAIN", "SCRAM-SHA-256-PLUS CURVE EXTERNAL SCRAM-SHA-256", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-256-PLUS,CURVE"},
		{"    sasl = \"SCRAM-SHA-256, PLAIN\"\n" + both + account("b", argon2Of), "SCRAM-SHA-256 PLAIN", "SCRAM-SHA-256 PLAIN", "PLAIN,SCRAM-SHA-256"},
		{keys + "        password-for = *\n" + both, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS"},
		{keys + "        password-for = *\n    sasl = SCRAM-SHA-256-PLUS\n" + both, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS"},
		{"    plain = 0\n" + account("a", argon2Of) + "    curve = 0\n        any = 1\n    gssapi = 0\n        principal = p\n", "", "", `""`},
	} {
		p, log := load(t, s.Dir, "security\n    domain = x\n"+tt.text)
		got := []string{strings.Join(p.Mechanisms("x", true), " "), strings.Join(p.Mechanisms("x", false), " ")}
		if diff := cmp.Diff([]string{tt.encrypted, tt.open}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if log.Count("level=INFO", " mechanisms="+tt.logged+" ") != 1 {
			t.Errorf("%s: expected mechanisms=%s:\n%s", tt.text, tt.logged, log)
		}
		if got := p.Mechanisms("y", true); got != nil {
			t.Errorf("%s: %v in another domain", tt.text, got)
		}
	}
	// The rules for all other domains are not about the link, and the link is without SASL.
	p, _ := load(t, s.Dir, "security\n"+both+"security\n    domain = zauth\n"+keys)
	if got := p.Mechanisms("any", true); len(got) != 3 {
		t.Errorf("in any domain: %v", got)
	}
	for _, none := range [][]string{p.Mechanisms(policy.LinkDomain, true), new(policy.Policy).Mechanisms("", true)} {
		if none != nil {
			t.Errorf("offered: %v", none)
		}
	}
	// A program may change what it gets.
	p.Mechanisms("any", true)[0] = "X"
	if got := p.Mechanisms("any", true)[0]; got != sasl.ScramSHA256Plus {
		t.Errorf("%s is offered", got)
	}
}

// TestRulesAreCopied: a program may change rules that it has passed. They apply only once they
// are passed again.
func TestRulesAreCopied(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	rules := policy.Rules{{
		SASL:     []string{sasl.ScramSHA256Plus, sasl.Curve},
		Accounts: []policy.Account{{Login: "a", Hash: verifierOf("x")}},
		Curve:    &policy.Curve{Keystores: []string{s.Clients}, PasswordFor: []string{"traders"}},
	}}
	p := newPolicy(t, rules)
	rules[0].SASL[1], rules[0].Curve.PasswordFor[0] = sasl.External, "guests"
	ztest.Must(t, p.Reload())
	if got := strings.Join(p.Mechanisms("", true), " "); got != "SCRAM-SHA-256-PLUS CURVE" || admits(p, "", s.Trader) || !admits(p, "", s.Guest) {
		t.Errorf("changed rules apply: %s", got)
	}
}

// TestUnwiseSASL: SASL settings that are probably mistakes cause a warning.
func TestUnwiseSASL(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	few := strings.Replace(verifierOf("x"), "600000", "4096", 1)
	const keys = "    curve = 1\n        keystore = dir:clients\n"
	trader := "    plain = 1\n" + account("trader", verifierOf("x"), "            group = Staff\n")
	for text, want := range map[string][]string{
		"    plain = 1\n" + account("a", argon2Of+" "+verifierOf("x")):                                       nil,
		"    plain = 1\n" + account("a", few):                                                                {`policy.zpl:5: the verifier has 4096 iterations, fewer than 100000: replace it with the output of "zauth hash --scram"`},
		"    sasl = PLAIN\n    plain = 1\n" + account("a", argon2Of):                                         {"policy.zpl:2: PLAIN is offered over unencrypted connections, too"},
		"    sasl = \"SCRAM-SHA-256, PLAIN\"\n    plain = 1\n" + account("a", argon2Of):                      {`policy.zpl:2: no account has a verifier for SCRAM-SHA-256: "zauth hash --scram" makes one`, "policy.zpl:2: PLAIN is offered over unencrypted connections, too"},
		"    sasl = CURVE\n    sasl = EXTERNAL\n":                                                            {"policy.zpl:2: sasl lists CURVE, but it admits no client", "policy.zpl:3: sasl lists EXTERNAL, but it admits no client"},
		keys + "        password-for = \"traders, Staff\"\n" + trader:                                        nil,
		keys + "        password-for = *\n" + trader:                                                         nil,
		keys + "        password-for = tradres\n" + trader:                                                   {"policy.zpl:4: no identity or account is in group tradres: did you mean traders?"},
		keys + "        password-for = staff\n" + trader:                                                     {"policy.zpl:4: no identity or account is in group staff: did you mean Staff?"},
		keys + "        password-for = *\n" + trader + account("guest", argon2Of):                            {"policy.zpl:10: account guest admits no client: it needs a verifier, because of password-for"},
		keys + "        password-for = *\n" + trader + account("b", verifierOf("x")):                         {"policy.zpl:10: account b admits no client: it needs a key with the user id b, because of password-for"},
		keys + "        password-for = Staff\n" + trader + account("b", argon2Of):                            {"policy.zpl:10: account b admits no client: it needs a verifier, because of password-for"},
		keys + "        password-for = Staff\n" + trader + account("b", verifierOf("x")):                     {"policy.zpl:10: account b admits no client: it needs a key with the user id b, because of password-for"},
		"    plain = 1\n" + account("a", verifierOf("x")) + account("b", argon2Of) + account("c", argon2Of):  {"policy.zpl:2: SCRAM is not offered where PLAIN is, because these accounts have no verifier: b, c"},
		"    plain = 1\n" + account("a", verifierOf("x")) + hashOnly(12):                                     {"policy.zpl:2: SCRAM is not offered where PLAIN is, because these accounts have no verifier: u0, u1, u2, u3, u4, u5, u6, u7, u8, u9 and 2 more"},
		"    sasl = PLAIN\n    plain = 1\n" + account("a", verifierOf("x")) + account("b", argon2Of):         {"policy.zpl:2: PLAIN is offered over unencrypted connections, too"},
		"    sasl = SCRAM-SHA-256\n    plain = 1\n" + account("a", verifierOf("x")) + account("b", argon2Of): nil,
	} {
		if diff := cmp.Diff(want, warningsOf(t, s.Dir, "security\n"+text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// hashOnly returns accounts without a verifier.
func hashOnly(count int) (text string) {
	for i := range count {
		text += account(fmt.Sprint("u", i), argon2Of)
	}
	return text
}

// TestUnhashedBesideHash: an unhashed password beside a hash is an error: the whole text would be
// the password.
func TestUnhashedBesideHash(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hunter2 " + verifierOf("x"), "hunter2 " + argon2Of, " " + verifierOf("x"), "hunter2 $2b$04$" + strings.Repeat("A", 53)} {
		_, err := policy.Parse("p", []byte("security\n    plain = 1\n"+account("a", text)))
		if err == nil || !strings.HasPrefix(err.Error(), "policy: p:5:25: invalid value: password: unhashed beside a hash") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
	p, _ := load(t, t.TempDir(), "security\n    plain = 1\n"+account("a", "costs $2b$ or SCRAM"))
	check(t, p, ask("", "", "PLAIN", "a", "costs $2b$ or SCRAM"), decision{"OK", "a", 3})
}

// TestPolicyOfAProgram: a program's configuration loads as a policy, without a warning about the
// program's own sections.
func TestPolicyOfAProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := fmt.Sprintf("server\n    timeout = 1000\nbind\n    endpoint = \"tcp://*:5670\"\npublish\n    location = ./send\n    alias = /photos\nsecurity\n    echo = accounts\n    plain = 1\n%s", account("guest", argon2Of+" "+verifierOf("x")))
	p, log := load(t, dir, text)
	if log.Count("level=WARN") != 0 {
		t.Errorf("log:\n%s", log)
	}
	if got := warningsOf(t, dir, text); got != nil {
		t.Errorf("warnings: %q", got)
	}
	if got := strings.Join(p.Mechanisms("filemq", true), " "); got != "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN" {
		t.Errorf("offered: %s", got)
	}
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), strings.Replace(text, "    echo", "    ecko", 1))
	if err := p.Reload(); err == nil || !strings.Contains(err.Error(), "9:5: unknown name ecko: did you mean echo?") {
		t.Errorf("an unknown name in security: %v", err)
	}
}
