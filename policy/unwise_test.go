package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
)

// warningsOf writes a policy and returns the warnings of Check, without the directory.
func warningsOf(t *testing.T, dir, text string) []string {
	t.Helper()
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	sum, err := policy.Check(file, policy.Options{})
	ztest.Must(t, err)
	for i, w := range sum.Warnings {
		sum.Warnings[i] = strings.ReplaceAll(w, dir+string(filepath.Separator), "")
	}
	return sum.Warnings
}

// TestEmptyGroups: a group without members causes a warning, with a suggestion.
func TestEmptyGroups(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	put(t, filepath.Join(s.Clients, "Guests"), scenario.Named("dora"))
	const head = "security\n    curve = 1\n        keystore = dir:clients\n"
	for groups, want := range map[string][]string{
		"        group = traders\n":                nil,
		"        group = tradres\n":                {"policy.zpl:2: no identity is in group tradres: did you mean traders?"},
		"        group = Traders\n":                {"policy.zpl:2: no identity is in group Traders: did you mean traders?"},
		"        group = guests\n":                 {"policy.zpl:2: group guests is not group Guests: their names differ in case"},
		"        group = \"traders, operators\"\n": {"policy.zpl:2: no identity is in group operators"},
	} {
		if diff := cmp.Diff(want, warningsOf(t, s.Dir, head+groups)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", groups, diff)
		}
	}
	_, log := load(t, s.Dir, head+"        group = tradres\n")
	if log.Count("level=WARN", "no identity is in group tradres: did you mean traders?") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestNoUserID: an account whose login cannot be its user id, and that has no other, causes a
// warning: services would take its users for anonymous ones.
func TestNoUserID(t *testing.T) {
	t.Parallel()
	text := "security\n    plain = 1\n        account\n            login = Zoë\n            password = \"" + policy.HashPassword([]byte("x")) + "\"\n"
	want := []string{`policy.zpl:4: account "Zoë" has an empty user id, because its login is not printable ASCII: set user-id`}
	if diff := cmp.Diff(want, warningsOf(t, t.TempDir(), text)); diff != "" {
		t.Error(diff)
	}
	if got := warningsOf(t, t.TempDir(), text+"            user-id = zoe\n"); got != nil {
		t.Errorf("%q", got)
	}
}

// TestSignedGroups: a group in a certificate that a trusted authority signed isn't empty.
func TestSignedGroups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice := scenario.Named("alice", cert.Metadata{{"group", "traders, admins"}}...)
	ztest.Must(t, acme.Sign(alice))
	put(t, filepath.Join(dir, "clients"), alice)
	text := "security\n    curve = 1\n        keystore = dir:clients\n        group = admins\n"
	if got := warningsOf(t, dir, text); len(got) != 1 {
		t.Errorf("without the authority: %q", got)
	}
	if got := warningsOf(t, dir, text+fmt.Sprintf("        authority = %q\n", acme.Key)); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// TestListTold: Check, and loading the policy, warn about a list that expires soon.
func TestListTold(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	now := time.Now().UTC().Truncate(time.Second)
	list := new(cert.RevocationList)
	ztest.Must(t, s.Authority.SignRevocations(list, now.Add(-29*24*time.Hour), now.Add(25*time.Hour)), list.Save(filepath.Join(s.Dir, "acme.revoked")))
	text := fmt.Sprintf("security\n    curve = 1\n        keystore = dir:clients\n        authority = %q\n        revoked = acme.revoked\n", s.Authority.Key)
	const want = "policy.zpl:5: the revocation list expires on "
	if got := warningsOf(t, s.Dir, text); len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("got %q", got)
	}
	if _, log := load(t, s.Dir, text); log.Count("level=WARN", "policy.zpl:5", "the revocation list expires on ") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestExposed: each file that other users can change causes a warning.
func TestExposed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("this system has no such modes")
	}
	s := scenario.New(t)
	now := time.Now().UTC().Truncate(time.Second)
	list := new(cert.RevocationList)
	ztest.Must(t, s.Authority.SignRevocations(list, now.Add(-time.Hour), now.Add(30*24*time.Hour)), list.Save(filepath.Join(s.Dir, "acme.revoked")))
	text := fmt.Sprintf("security\n    curve = 1\n        keystore = dir:clients\n        authority = %q\n        revoked = acme.revoked\n", s.Authority.Key)
	text += "security\n    domain = p\n    plain = 1\n        account\n            login = a\n            password = b\n"
	if got := warningsOf(t, s.Dir, text); len(got) != 1 { // of the password
		t.Errorf("got %q", got)
	}
	for path, mode := range map[string]os.FileMode{"policy.zpl": 0o646, "clients/guests/guest.key": 0o664, "acme.revoked": 0o666} {
		ztest.Must(t, os.Chmod(filepath.Join(s.Dir, filepath.FromSlash(path)), mode))
	}
	got := warningsOf(t, s.Dir, text)
	for _, want := range []string{"policy.zpl: mode 0646: other users can change it", "policy.zpl: mode 0646: all users can read it: chmod o-r policy.zpl: it contains passwords",
		"guest.key: mode 0664: other users can change it", "acme.revoked: mode 0666: other users can change it"} {
		if !slices.ContainsFunc(got, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("%q isn't among %q", want, got)
		}
	}
	state := filepath.Join(s.Dir, "policy.zpl.state")
	ztest.Must(t, os.WriteFile(state, nil, 0o600), os.Chmod(state, 0o666))
	exposed, err := policy.Exposed(filepath.Join(s.Dir, "policy.zpl"))
	if err != nil || len(exposed) != 5 || !strings.Contains(exposed[1], "policy.zpl.state: mode 0666: other users can change it") {
		t.Errorf("%q, %v", exposed, err)
	}
}

// TestToldOnce: reloading a policy without a change does not log it again.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, log := load(t, dir, "security\n    anonymous = 1\n")
	ztest.Must(t, p.Reload(), p.Reload())
	if n := log.Count("policy loaded"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), "security\n    anonymous = 0\n")
	ztest.Must(t, p.Reload(), p.Reload())
	if n := log.Count("policy loaded"); n != 2 {
		t.Errorf("logged %d times after a change", n)
	}
}
