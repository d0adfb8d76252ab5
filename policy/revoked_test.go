package policy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// admits reports whether a policy admits a key in a domain.
func admits(p *policy.Policy, domain string, c *cert.Certificate) bool {
	return reply(p, domain, c).Status == zap.StatusOK
}

func reply(p *policy.Policy, domain string, c *cert.Certificate) zap.Reply {
	return p.Handle(context.Background(), ask(domain, "", zap.Curve, string(c.Public[:])))
}

// mkdir makes a directory with these public certificates.
func mkdir(t testing.TB, path string, certificates ...*cert.Certificate) string {
	t.Helper()
	ztest.Must(t, os.MkdirAll(path, 0o755))
	for _, c := range certificates {
		put(t, path, c)
	}
	return path
}

// change opens a keystore, as a tool would, and changes it.
func change(t testing.TB, url string, f func(s keystore.Store) error) {
	t.Helper()
	s, err := keystore.Open(url, nil)
	ztest.Must(t, err, f(s), s.Close())
}

func revoke(t testing.TB, url string, c *cert.Certificate) {
	t.Helper()
	change(t, url, func(s keystore.Store) error { return s.Revoke(c.Public, time.Now(), "stolen") })
}

func unrevoke(t testing.TB, url string, c *cert.Certificate) {
	t.Helper()
	change(t, url, func(s keystore.Store) error { return s.Unrevoke(c.Public, time.Now(), "found") })
}

// listOf writes a revocation list of an authority, in one step.
func listOf(t testing.TB, path string, a *cert.Authority, issued, expires time.Time, revoked ...*cert.Certificate) {
	t.Helper()
	l := new(cert.RevocationList)
	for _, c := range revoked {
		_, err := l.Revoke(cert.Revocation{Key: c.Public, Time: issued})
		ztest.Must(t, err)
	}
	ztest.Must(t, a.SignRevocations(l, issued, expires))
	text, err := l.Append(nil)
	ztest.Must(t, err)
	ztest.WriteFile(t, path, string(text))
}

// signed returns a certificate that an authority signed.
func signed(t testing.TB, a *cert.Authority, name string) *cert.Certificate {
	t.Helper()
	c := scenario.Named(name)
	ztest.Must(t, a.Sign(c))
	return c
}

// ofAuthority returns a policy that trusts an authority, with revocation lists.
func ofAuthority(a *cert.Authority, lists ...string) string {
	text := fmt.Sprintf("security\n    curve = 1\n        keystore = dir:clients\n        authority = %q\n", a.Key)
	for _, l := range lists {
		text += "        revoked = " + l + "\n"
	}
	return text
}

// TestListFollowed: a key on a new revocation list is refused within moments, with and
// without notifications, and even if the new file has the size and time of the old one.
func TestListFollowed(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	for _, pollOnly := range []bool{false, true} {
		dir := t.TempDir()
		acme := cert.GenerateAuthority("")
		alice, bob := signed(t, acme, "alice"), signed(t, acme, "bob")
		mkdir(t, filepath.Join(dir, "clients"), alice, bob)
		list := filepath.Join(dir, "acme.revoked")
		listOf(t, list, acme, now.Add(-2*time.Hour), now.Add(time.Hour))
		p, _ := load(t, dir, ofAuthority(acme, "acme.revoked"))
		if pollOnly {
			p.PollOnly()
		} else {
			p.DontPoll()
		}
		ztest.Background(t, p.Watch)
		if !admits(p, "", alice) || !admits(p, "", bob) {
			t.Fatal("not admitted")
		}
		listOf(t, list, acme, now.Add(-time.Hour), now.Add(time.Hour), alice)
		ztest.Wait(t, "a new list", func() bool { return !admits(p, "", alice) && admits(p, "", bob) })
		info, err := os.Stat(list)
		ztest.Must(t, err)
		listOf(t, list, acme, now, now.Add(time.Hour), bob, alice)
		ztest.Must(t, os.Chtimes(list, info.ModTime(), info.ModTime()))
		ztest.Wait(t, "another", func() bool { return !admits(p, "", bob) })
	}
}

// TestListRenewed: an expired list refuses all certificates of its authority, until it
// is renewed.
func TestListRenewed(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice := signed(t, acme, "alice")
	mkdir(t, filepath.Join(dir, "clients"), alice)
	listOf(t, filepath.Join(dir, "acme.revoked"), acme, now.Add(-2*time.Hour), now.Add(-time.Hour))
	p, _ := load(t, dir, ofAuthority(acme, "acme.revoked"))
	ztest.Background(t, p.Watch)
	if text := reply(p, "", alice).Text; !strings.Contains(text, "revocation list expired on "+now.Add(-time.Hour).Format(time.RFC3339)) {
		t.Errorf("got %q", text)
	}
	listOf(t, filepath.Join(dir, "acme.revoked"), acme, now.Add(-time.Hour), now.Add(time.Hour))
	ztest.Wait(t, "renewed", func() bool { return admits(p, "", alice) })
}

// TestOlderList: a list older than the newest one does not apply, neither in the same
// process nor after a restart. Revoked keys stay refused.
func TestOlderList(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice, bob := signed(t, acme, "alice"), signed(t, acme, "bob")
	mkdir(t, filepath.Join(dir, "clients"), alice, bob)
	list := filepath.Join(dir, "acme.revoked")
	old := func() { listOf(t, list, acme, now.Add(-2*time.Hour), now.Add(time.Hour)) }
	old()
	p, log := load(t, dir, ofAuthority(acme, "acme.revoked"))
	ztest.Background(t, p.Watch)
	listOf(t, list, acme, now.Add(-time.Hour), now.Add(time.Hour), alice)
	ztest.Wait(t, "a new list", func() bool { return !admits(p, "", alice) })
	old()
	ztest.Wait(t, "the error is logged", func() bool { return log.Count("level=ERROR", "older than the newest revocation list") == 1 })
	if err := p.Reload(); !errors.Is(err, policy.ErrOldList) || admits(p, "", alice) || !admits(p, "", bob) {
		t.Errorf("%v: an older list applies", err)
	}
	file := filepath.Join(dir, "policy.zpl")
	if _, err := policy.Load(file, policy.Options{}); !errors.Is(err, policy.ErrOldList) {
		t.Errorf("after a restart: %v", err)
	}
	// A list with the same time and fewer revocations has lost some.
	listOf(t, list, acme, now.Add(-time.Hour), now.Add(time.Hour))
	if _, err := policy.Load(file, policy.Options{}); !errors.Is(err, policy.ErrOldList) {
		t.Errorf("one that lost some: %v", err)
	}
	listOf(t, list, acme, now, now.Add(time.Hour), alice)
	again, err := policy.Load(file, policy.Options{})
	ztest.Must(t, err)
	defer again.Close()
	if admits(again, "", alice) || !admits(again, "", bob) {
		t.Error("a newer list doesn't apply")
	}
}

// TestListStartedAgain: a certificate that an earlier list of the authority revoked, by key
// or by serial number, stays refused when the list is started again, even after a
// restart. This is logged.
func TestListStartedAgain(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice, bob, carol := signed(t, acme, "alice"), signed(t, acme, "bob"), signed(t, acme, "carol")
	carol.Serial = 7
	ztest.Must(t, acme.Sign(carol))
	mkdir(t, filepath.Join(dir, "clients"), alice, bob, carol)
	list := filepath.Join(dir, "acme.revoked")
	write := func(issued time.Time, revoked ...cert.Revocation) {
		l := new(cert.RevocationList)
		for _, r := range revoked {
			_, err := l.Revoke(r)
			ztest.Must(t, err)
		}
		ztest.Must(t, acme.SignRevocations(l, issued, now.Add(time.Hour)))
		text, err := l.Append(nil)
		ztest.Must(t, err)
		ztest.WriteFile(t, list, string(text))
	}
	write(now.Add(-2*time.Hour), cert.Revocation{Key: alice.Public, Time: now, Reason: "stolen"}, cert.Revocation{Serial: 7, Time: now})
	p, log := load(t, dir, ofAuthority(acme, "acme.revoked")+"security\n    domain = open\n    curve = 1\n        any = 1\n")
	write(now.Add(-time.Hour))
	ztest.Must(t, p.Reload())
	if log.Count("lacks 2 that an older one of its authority had") != 1 {
		t.Error("nothing is logged")
	}
	again, err := policy.Load(filepath.Join(dir, "policy.zpl"), policy.Options{})
	ztest.Must(t, err)
	defer again.Close()
	for _, p := range []*policy.Policy{p, again} {
		if admits(p, "", alice) || admits(p, "open", alice) || admits(p, "", carol) || !admits(p, "", bob) {
			t.Error("a revoked key is admitted, or another isn't")
		}
		if text := reply(p, "", alice).Text; !strings.HasSuffix(text, ": stolen") {
			t.Errorf("the reason is %q", text)
		}
	}
}

// TestTwoLists: of two lists of one authority in one section, the older one may have any
// age, even after a restart.
func TestTwoLists(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice, bob := signed(t, acme, "alice"), signed(t, acme, "bob")
	mkdir(t, filepath.Join(dir, "clients"), alice, bob)
	listOf(t, filepath.Join(dir, "a.revoked"), acme, now.Add(-2*time.Hour), now.Add(time.Hour), alice)
	listOf(t, filepath.Join(dir, "b.revoked"), acme, now.Add(-time.Hour), now.Add(time.Hour), bob)
	for range 2 {
		p, _ := load(t, dir, ofAuthority(acme, "a.revoked", "b.revoked"))
		if admits(p, "", alice) || admits(p, "", bob) {
			t.Error("one of the lists doesn't apply")
		}
	}
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), ofAuthority(acme, "a.revoked"))
	if _, err := policy.Load(filepath.Join(dir, "policy.zpl"), policy.Options{}); !errors.Is(err, policy.ErrOldList) {
		t.Errorf("the newer one left out: %v", err)
	}
}

// TestRevokedAnywhere: a key that is revoked in one store of a policy is refused in
// every domain, whatever the order of the stores, and even with any.
func TestRevokedAnywhere(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"one", "two"}, {"two", "one"}} {
		dir := t.TempDir()
		alice, bob := scenario.Named("alice"), scenario.Named("bob")
		mkdir(t, filepath.Join(dir, "one"), alice, bob)
		mkdir(t, filepath.Join(dir, "two"), alice)
		revoke(t, filepath.Join(dir, "two"), alice)
		p, _ := load(t, dir, fmt.Sprintf("security\n    domain = both\n    curve = 1\n        keystore = dir:%s\n        keystore = dir:%s\n"+
			"security\n    domain = one\n    curve = 1\n        keystore = dir:one\nsecurity\n    domain = any\n    curve = 1\n        any = 1\n", order[0], order[1]))
		for _, domain := range []string{"both", "one", "any"} {
			if r := reply(p, domain, alice); r.Status == zap.StatusOK || !strings.Contains(r.Text, "revoked") || !strings.Contains(r.Text, "stolen") {
				t.Errorf("%s: %+v", domain, r)
			}
			if !admits(p, domain, bob) {
				t.Errorf("%s: bob isn't admitted", domain)
			}
		}
	}
}

// TestRevocationIsRemembered: a revoked key stays refused when its store is removed from
// the policy, loses its records or is restored from a backup, even after a restart, until
// its revocation is lifted.
func TestRevocationIsRemembered(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"dir", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			alice := scenario.Named("alice")
			url := func(name string) string { return kind + ":" + filepath.Join(dir, name) }
			fill := func(name string) {
				ztest.Must(t, keystore.Create(url(name)))
				change(t, url(name), func(s keystore.Store) error {
					return s.Put(&keystore.Identity{Name: "alice", Certificate: alice})
				})
			}
			fill("one")
			fill("two")
			text := "security\n    domain = any\n    curve = 1\n        any = 1\nsecurity\n    curve = 1\n        keystore = %s:%s\n"
			p, _ := load(t, dir, fmt.Sprintf(text, kind, "one"))
			ztest.Background(t, p.Watch)
			if !admits(p, "", alice) {
				t.Fatal("not admitted")
			}
			refused := func(when string, p *policy.Policy) {
				t.Helper()
				for _, domain := range []string{"", "any"} {
					if admits(p, domain, alice) {
						t.Errorf("%s: admitted in domain %q", when, domain)
					}
				}
			}
			revoke(t, url("one"), alice)
			ztest.Wait(t, "revoked", func() bool { return !admits(p, "", alice) })
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), fmt.Sprintf(text, kind, "two"))
			ztest.Must(t, p.Reload())
			refused("another store", p)
			load2 := func() *policy.Policy {
				t.Helper()
				p, err := policy.Load(filepath.Join(dir, "policy.zpl"), policy.Options{})
				ztest.Must(t, err)
				t.Cleanup(func() { p.Close() })
				return p
			}
			refused("another store, after a restart", load2())
			// The first store, restored from a backup.
			ztest.Must(t, os.RemoveAll(filepath.Join(dir, "one")))
			fill("one")
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), fmt.Sprintf(text, kind, "one"))
			refused("restored", load2())
			ztest.Must(t, p.Reload())
			refused("restored, in the old process", p)
			// Lifting it in a store of the policy admits the key for good.
			unrevoke(t, url("one"), alice)
			ztest.Wait(t, "lifted", func() bool { return admits(p, "", alice) && admits(p, "any", alice) })
			if again := load2(); !admits(again, "", alice) {
				t.Error("refused after it was lifted, and a restart")
			}
		})
	}
}

// TestRevokedAsItsStoreLeaves: a key that is revoked right before its store is removed
// from the policy is remembered, even if the policy has not read it yet. A store that
// can't be read delays nothing, and is logged.
func TestRevokedAsItsStoreLeaves(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"dir", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			alice, bob := scenario.Named("alice"), scenario.Named("bob")
			one := kind + ":" + filepath.Join(dir, "one")
			ztest.Must(t, keystore.Create(one))
			change(t, one, func(s keystore.Store) error {
				return s.Put(&keystore.Identity{Name: "alice", Certificate: alice}, &keystore.Identity{Name: "bob", Certificate: bob})
			})
			mkdir(t, filepath.Join(dir, "two"), alice, bob)
			text := "security\n    domain = any\n    curve = 1\n        any = 1\nsecurity\n    curve = 1\n        keystore = %s\n"
			p, log := load(t, dir, fmt.Sprintf(text, kind+":one"))
			revoke(t, one, alice)
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), fmt.Sprintf(text, "dir:two"))
			ztest.Must(t, p.Reload())
			again, err := policy.Load(filepath.Join(dir, "policy.zpl"), policy.Options{})
			ztest.Must(t, err)
			defer again.Close()
			for when, p := range map[string]*policy.Policy{"at once": p, "after a restart": again} {
				if admits(p, "", alice) || admits(p, "any", alice) || !admits(p, "", bob) {
					t.Errorf("%s: alice is admitted, or bob isn't", when)
				}
			}
			if log.Count("removed from the policy") > 0 {
				t.Errorf("log:\n%s", log)
			}
			ztest.Must(t, os.Rename(filepath.Join(dir, "two"), filepath.Join(dir, "away")))
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), fmt.Sprintf(text, kind+":one"))
			ztest.Must(t, p.Reload())
			if admits(p, "", alice) || !admits(p, "", bob) || log.Count("level=WARN", "removed from the policy", "two") != 1 {
				t.Errorf("store that can't be read: log:\n%s", log)
			}
		})
	}
}

// TestStateCantBeWritten: a revocation applies even while the state can't be written.
// This is logged, and the state is written once that is possible.
func TestStateCantBeWritten(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice, bob := signed(t, acme, "alice"), signed(t, acme, "bob")
	clients := mkdir(t, filepath.Join(dir, "clients"), alice, bob)
	list := filepath.Join(dir, "acme.revoked")
	listOf(t, list, acme, now.Add(-2*time.Hour), now.Add(time.Hour))
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), ofAuthority(acme, "acme.revoked"))
	states := mkdir(t, filepath.Join(dir, "states"))
	log := new(ztest.Log)
	o := policy.Options{Log: log.Logger(), State: filepath.Join(states, "zauth")}
	p, err := policy.Load(filepath.Join(dir, "policy.zpl"), o)
	ztest.Must(t, err)
	defer p.Close()
	ztest.Background(t, p.Watch)
	away := filepath.Join(dir, "away")
	ztest.Must(t, os.Rename(states, away))
	ztest.WriteFile(t, states, "in the way of the directory\n")
	listOf(t, list, acme, now.Add(-time.Hour), now.Add(time.Hour), alice)
	revoke(t, clients, bob)
	ztest.Wait(t, "both are refused", func() bool { return !admits(p, "", alice) && !admits(p, "", bob) })
	ztest.Wait(t, "the error is logged", func() bool { return log.Count("level=ERROR", "writing the state failed") >= 1 })
	if err := p.Reload(); err == nil {
		t.Error("Reload does not return the error")
	}
	if _, err := policy.Load(filepath.Join(dir, "policy.zpl"), o); err == nil {
		t.Error("started although it cannot remember")
	}
	ztest.Must(t, os.Remove(states), os.Rename(away, states))
	ztest.Wait(t, "made good", func() bool {
		text, _ := os.ReadFile(o.State)
		return strings.Contains(string(text), bob.Public.String()) || strings.Contains(string(text), jsonKey(bob.Public))
	})
}

// jsonKey returns a key in JSON.
func jsonKey(key curve.PublicKey) string {
	return strings.NewReplacer("&", `\u0026`, "<", `\u003c`, ">", `\u003e`).Replace(key.String())
}

// TestStateIsShared: two policies that share a state file keep what the other wrote.
func TestStateIsShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := scenario.Named("alice"), scenario.Named("bob")
	o := policy.Options{State: filepath.Join(dir, "state")}
	loadOne := func(name string) *policy.Policy {
		t.Helper()
		p, err := policy.Load(filepath.Join(dir, name+".zpl"), o)
		ztest.Must(t, err)
		t.Cleanup(func() { p.Close() })
		return p
	}
	var both []*policy.Policy
	for _, name := range []string{"one", "two"} {
		mkdir(t, filepath.Join(dir, name), alice, bob)
		ztest.WriteFile(t, filepath.Join(dir, name+".zpl"), "security\n    curve = 1\n        keystore = dir:"+name+"\n")
		both = append(both, loadOne(name))
	}
	revoke(t, filepath.Join(dir, "one"), alice)
	revoke(t, filepath.Join(dir, "two"), bob)
	ztest.Must(t, both[0].Reload(), both[1].Reload())
	for _, name := range []string{"one", "two"} {
		if p := loadOne(name); admits(p, "", alice) || admits(p, "", bob) {
			t.Errorf("%s: alice %v, bob %v", name, admits(p, "", alice), admits(p, "", bob))
		}
	}
	// The file is lost while both run: they write again what they know.
	carol := scenario.Named("carol")
	ztest.Must(t, os.Remove(o.State))
	put(t, filepath.Join(dir, "one"), carol)
	revoke(t, filepath.Join(dir, "one"), carol)
	ztest.Must(t, os.RemoveAll(filepath.Join(dir, "two", ".revoked")))
	put(t, filepath.Join(dir, "two"), bob)
	ztest.Must(t, both[1].Reload(), both[0].Reload(), os.RemoveAll(filepath.Join(dir, "one", ".revoked")))
	put(t, filepath.Join(dir, "one"), alice)
	if p := loadOne("one"); admits(p, "", alice) {
		t.Error("what one process knew was lost with the file")
	}
}

// TestGroupsAreUnited: an identity is in the groups of all its places, and services learn
// these groups. Groups in its certificate are claims, unless a trusted authority signed
// it.
func TestGroupsAreUnited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice := scenario.Named("alice", cert.Metadata{{"group", "admins, lords"}}...)
	ztest.Must(t, acme.Sign(alice))
	for _, group := range []string{"one/traders", "one/guests", "two/desk"} {
		mkdir(t, filepath.Join(dir, group), alice)
	}
	stores := "        keystore = dir:one\n        keystore = dir:two\n"
	p, _ := load(t, dir, "security\n    domain = open\n    curve = 1\n"+stores+
		"security\n    domain = desk\n    curve = 1\n"+stores+"        group = desk\n"+
		"security\n    domain = admins\n    curve = 1\n"+stores+"        group = admins\n"+
		"security\n    domain = acme\n    curve = 1\n"+stores+"        authority = \""+acme.Key.String()+"\"\n        group = admins\n")
	for domain, want := range map[string]string{"open": "desk,guests,traders", "desk": "desk,guests,traders", "acme": "admins,desk,guests,lords,traders"} {
		r := reply(p, domain, alice)
		group := r.Metadata.Get("group")
		if r.Status != zap.StatusOK || r.UserID != "alice" || string(group) != want {
			t.Errorf("%s: %+v, groups %q", domain, r, group)
		}
		if claim := r.Metadata.Get("Claim-group"); domain != "acme" && claim != "admins, lords" {
			t.Errorf("%s: the claim is %q", domain, claim)
		}
	}
	if admits(p, "admins", alice) {
		t.Error("admitted by a group that the client claims")
	}
	stranger := reply(p, "open", scenario.Named("stranger"))
	if stranger.Status == zap.StatusOK || len(stranger.Metadata) > 0 {
		t.Errorf("%+v", stranger)
	}
}
