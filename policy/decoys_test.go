package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// verifierFor returns the verifier of a login.
func verifierFor(p *policy.Policy, domain, login string) sasl.Verifier {
	v, err := p.Verifier(context.Background(), domain, login)
	if err != nil {
		panic(err) // it never fails
	}
	return v
}

// TestDecoys: the verifier of an unknown login looks like that of an account, and matches
// no password.
func TestDecoys(t *testing.T) {
	t.Parallel()
	few := strings.Replace(verifierOf("y"), "600000:", "4096:AAAA", 1)
	text := "security\n    plain = 1\n" + account("a", verifierOf("x")) + account("b", argon2Of+" "+few) + account("c", argon2Of)
	p, _ := load(t, t.TempDir(), text)
	elsewhere, _ := load(t, t.TempDir(), text)
	changed := 0
	if got := verifierFor(p, "", "a").Encode(); got != verifierOf("x") {
		t.Errorf("of an account: %s", got)
	}
	sizes, seen := map[string]int{}, map[string]bool{}
	for i := range 100 {
		login := fmt.Sprint("nobody", i)
		if i == 0 {
			login = "c" // which has no verifier
		}
		shown := shownBy(p, "", login)
		n, s, _ := strings.Cut(shown, ":")
		sizes[fmt.Sprint(n, " ", len(s))]++
		if !strings.HasPrefix(shownBy(elsewhere, "", login), n+":") {
			changed++
		}
		if shown != shownBy(p, "any", login) {
			t.Errorf("%s: another decoy", login)
		}
		if seen[s] {
			t.Errorf("%s: the same salt", login)
		}
		seen[s] = true
		if reply := p.Handle(t.Context(), ask("", fmt.Sprintf("192.0.2.%d", i), zap.ScramSHA256, login, clientKey("x"))); reply.Text != "wrong user name or password" {
			t.Errorf("%s: %+v", login, reply)
		}
	}
	if changed < 20 { // otherwise, an account of the other kind would be known as one
		t.Errorf("%d of 100 decoys are of another kind with another key", changed)
	}
	if len(sizes) != 2 || sizes["600000 24"] < 20 || sizes["4096 28"] < 20 {
		t.Errorf("decoys: %v", sizes)
	}
	// Where no account has a verifier, SCRAM is not offered.
	none, _ := load(t, t.TempDir(), "security\n    domain = x\n    plain = 1\n"+account("c", argon2Of))
	for _, v := range []sasl.Verifier{verifierFor(none, "x", "c"), verifierFor(none, "y", "c"), verifierFor(new(policy.Policy), "", "c")} {
		if diff := cmp.Diff((sasl.Verifier{}).Encode(), v.Encode()); diff != "" {
			t.Error(diff)
		}
	}
}

// shownBy returns what a policy shows of a verifier to clients: the number of iterations and
// the salt.
func shownBy(p *policy.Policy, domain, login string) string {
	_, rest, _ := strings.Cut(verifierFor(p, domain, login).Encode(), "$")
	shown, _, _ := strings.Cut(rest, "$")
	return shown
}

// TestDecoysStay: what a client sees of an unknown login stays the same when the program
// restarts, and when an account is added, removed or changed. Each state has its own decoys.
func TestDecoysStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := account("a", verifierOf("x")), account("b", verifierOf("y"))
	p, _ := load(t, dir, "security\n    plain = 1\n"+one)
	nobody := shownBy(p, "", "nobody")
	for _, accounts := range []string{one + two, two + one, one + account("c", argon2Of), two, account("b", verifierOf("z"))} {
		text := "security\n    plain = 1\n" + accounts
		ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), text)
		ztest.Must(t, p.Reload())
		again, _ := load(t, dir, text)
		for what, p := range map[string]*policy.Policy{"reloaded": p, "restarted": again} {
			if got := shownBy(p, "", "nobody"); got != nobody {
				t.Errorf("%s with %s: %s, want %s", what, accounts, got, nobody)
			}
		}
	}
	removed := shownBy(p, "", "a") // was an account
	if removed != shownBy(p, "", "a") || removed == nobody {
		t.Errorf("of a removed account: %s", removed)
	}
	elsewhere, _ := load(t, t.TempDir(), "security\n    plain = 1\n"+one)
	rules := policy.Rules{{Accounts: []policy.Account{{Login: "a", Hash: verifierOf("x")}}}}
	inMemory, another := newPolicy(t, rules), newPolicy(t, rules)
	seen := map[string]bool{nobody: true}
	for _, p := range []*policy.Policy{elsewhere, inMemory, another} {
		if got := shownBy(p, "", "nobody"); seen[got] || got != shownBy(p, "", "nobody") {
			t.Errorf("of another state: %s", got)
		}
		seen[shownBy(p, "", "nobody")] = true
	}
}

// TestDecoysAreSaved: a policy does not start before the key of its decoys is on disk. A
// read-only policy uses an existing key, and writes none.
func TestDecoysAreSaved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.zpl")
	ztest.WriteFile(t, file, "security\n    plain = 1\n"+account("a", argon2Of))
	open := func(o policy.Options) *policy.Policy {
		p, err := policy.Load(file, o)
		ztest.Must(t, err)
		t.Cleanup(func() { p.Close() })
		return p
	}
	plain := open(policy.Options{})
	ztest.WriteFile(t, file, "security\n    plain = 1\n"+account("a", verifierOf("x"))+"    curve = 1\n        keystore = dir:missing/clients\n")
	if err := plain.Reload(); err == nil {
		t.Error("reloaded without a keystore")
	}
	ztest.Must(t, plain.Close())
	if _, err := os.Stat(file + ".state"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a state without a verifier: %v", err)
	}
	ztest.WriteFile(t, file, "security\n    plain = 1\n"+account("a", verifierOf("x")))
	temporary := shownBy(open(policy.Options{ReadOnly: true}), "", "nobody")
	_, err := policy.Check(file, policy.Options{})
	ztest.Must(t, err)
	if _, err := os.Stat(file + ".state"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadOnly and Check have written: %v", err)
	}
	_, err = policy.Load(file, policy.Options{State: filepath.Join(dir, "missing", "state")})
	if !errors.Is(err, policy.ErrStateWrite) {
		t.Errorf("started without a state: %v", err)
	}
	saved := shownBy(open(policy.Options{}), "", "nobody")
	if info, err := os.Stat(file + ".state"); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("other users can read the key of the decoys: %v, %v", info, err)
	}
	if again := shownBy(open(policy.Options{ReadOnly: true}), "", "nobody"); again != saved || saved == temporary {
		t.Errorf("ReadOnly: %s, want %s, not %s", again, saved, temporary)
	}
}
