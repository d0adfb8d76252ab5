package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
)

// TestWhere: the policy tells in which of its keystores a key is, known or revoked, and which
// keystores and groups a domain admits.
func TestWhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob, stranger := scenario.Named("alice"), scenario.Named("bob"), scenario.Named("stranger")
	for _, name := range []string{"a", "b"} {
		ztest.Must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	ztest.Must(t, alice.SavePublic(filepath.Join(dir, "b", "alice.key")))
	store, err := keystore.Open("dir:"+filepath.Join(dir, "a"), nil)
	ztest.Must(t, err)
	ztest.Must(t, store.Revoke(bob.Public, time.Now(), "stolen"))
	ztest.Must(t, store.Close())
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, []byte("security\n    domain = one\n    curve = 1\n        keystore = dir:a\n        group = traders\n        group = admins\n"+
		"security\n    curve = 1\n        keystore = dir:b\nsecurity\n    domain = open\n    anonymous = 1\n"), 0o600))
	p, err := policy.Load(file, policy.Options{State: policy.StateNone})
	ztest.Must(t, err)
	defer p.Close()
	for name, want := range map[string]string{
		"alice": fmt.Sprint("dir:"+filepath.Join(dir, "b"), " ", filepath.Join(dir, "b", "alice.key"), " ", true),
		"bob":   fmt.Sprint("dir:"+filepath.Join(dir, "a"), " ", "", " ", true),
		"other": fmt.Sprint("", " ", "", " ", false),
	} {
		url, place, ok := p.Where(map[string]*cert.Certificate{"alice": alice, "bob": bob, "other": stranger}[name].Public)
		if got := fmt.Sprint(url, " ", place, " ", ok); got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
	a, b := "dir:"+filepath.Join(dir, "a"), "dir:"+filepath.Join(dir, "b")
	for domain, want := range map[string]string{"one": "[" + a + "] [traders admins]", "two": "[" + b + "] []", "open": "[] []", policy.LinkDomain: "[] []"} {
		urls, groups := p.Keystores(domain)
		if got := fmt.Sprint(urls, groups); got != want {
			t.Errorf("%s: got %s, expected %s", domain, got, want)
		}
	}
	var zero policy.Policy
	if urls, groups := zero.Keystores("one"); urls != nil || groups != nil {
		t.Error("the zero value knows a keystore")
	}
	if _, _, ok := zero.Where(alice.Public); ok {
		t.Error("the zero value knows something")
	}
}
