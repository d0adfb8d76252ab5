package policy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// until returns an identity whose certificate expires after a time.
func until(name string, left time.Duration) *keystore.Identity {
	c := scenario.Named(name)
	if left != 0 {
		c.Validity.NotAfter = time.Now().Add(left).Truncate(time.Second)
	}
	return &keystore.Identity{Name: name, Certificate: c}
}

// TestReport: a report describes the current policy, its keystores and lists. Expiring
// returns the certificates that expire soon.
func TestReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clients := filepath.Join(dir, "clients")
	ztest.Must(t, os.Mkdir(clients, 0o755))
	s, err := keystore.Open("dir:"+clients, nil)
	ztest.Must(t, err)
	defer s.Close()
	const day = 24 * time.Hour
	late, soon := until("late", 29*day), until("soon", time.Hour)
	leaves, back := until("leaves", day), scenario.Named("back").Public
	ztest.Must(t, s.Put(late, soon, until("never", 0), until("next-year", 365*day), until("gone", -day), leaves),
		s.Revoke(leaves.Key(), time.Now(), "lost"), s.Revoke(back, time.Now(), ""), s.Unrevoke(back, time.Now(), ""))
	acme, ends := cert.GenerateAuthority("acme"), time.Now().Add(day).Truncate(time.Second)
	listOf(t, filepath.Join(dir, "acme.revoked"), acme, time.Now().Truncate(time.Second), ends)
	signed := fmt.Sprintf("        authority = \"%s\"\n        revoked = acme.revoked\n", acme.Key)
	policyText := "security\n    curve = 1\n        keystore = dir:clients\nsecurity\n    domain = a\n    curve = 1\n        keystore = dir:clients\n" + signed +
		"security\n    domain = b\n    curve = 1\n        keystore = mem:\n" + signed
	before := time.Now()
	p, _ := load(t, dir, policyText)
	sum := sha256.Sum256([]byte(policyText))
	want := policy.Report{
		File: filepath.Join(dir, "policy.zpl"), Digest: hex.EncodeToString(sum[:]), Domains: []string{"*", "a", "b"},
		Loads:  policy.Loads{Applied: 1},
		Stores: []policy.StoreReport{{URL: "dir:" + clients, Identities: 5, Revoked: 1}, {URL: "mem:"}},
		Lists:  []policy.ListReport{{File: filepath.Join(dir, "acme.revoked"), Authority: acme.Key, Expires: ends.UTC()}},
	}
	same := func(what string) policy.Report {
		t.Helper()
		got := p.Report()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(policy.Report{}, "Since"), cmpopts.IgnoreFields(policy.Loads{}, "Last", "Failed")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		return got
	}
	first := same("at the start")
	if first.Since.Before(before) || first.Since.After(time.Now()) || first.Loads.Last.Before(first.Since) || first.Loads.Failed != "" {
		t.Errorf("since %v, %+v", first.Since, first.Loads)
	}

	expiring, all := p.Expiring()
	wantExpiring := []policy.Expiring{
		{Name: "soon", Key: soon.Key(), URL: "dir:" + clients, Expires: soon.Certificate.Validity.NotAfter.UTC()},
		{Name: "late", Key: late.Key(), URL: "dir:" + clients, Expires: late.Certificate.Validity.NotAfter.UTC()},
	}
	if diff := cmp.Diff(wantExpiring, expiring); diff != "" || all != 2 {
		t.Errorf("%d expire (-want +got):\n%s", all, diff)
	}

	ztest.Must(t, os.WriteFile(want.File, []byte("security\n    curved = 1\n"), 0o600))
	for range 2 {
		if p.Reload() == nil {
			t.Error("reloaded an invalid file")
		}
	}
	want.Loads.Rejected = 1
	if got := same("with an invalid file"); got.Since != first.Since || got.Loads.Failed == "" {
		t.Errorf("since %v, failed %q", got.Since, got.Loads.Failed)
	}

	ztest.Must(t, os.WriteFile(want.File, []byte(policyText), 0o600), os.Rename(clients, clients+"-away"))
	if p.Reload() == nil {
		t.Error("reloaded a keystore that is missing")
	}
	want.Loads.Applied = 2
	if want.Stores[0].Failed = p.Report().Stores[0].Failed; !strings.Contains(want.Stores[0].Failed, clients) {
		t.Errorf("the missing keystore failed with %q", want.Stores[0].Failed)
	}
	if got := same("with a missing keystore"); got.Since != first.Since || got.Loads.Failed != "" {
		t.Errorf("since %v, failed %q", got.Since, got.Loads.Failed)
	}
	ztest.Must(t, os.Rename(clients+"-away", clients), p.Reload())
	want.Loads.Applied, want.Stores[0].Failed = 3, ""
	same("with the keystore back")

	changed := policyText + "# changed\n"
	ztest.Must(t, os.WriteFile(want.File, []byte(changed), 0o600), p.Reload())
	sum = sha256.Sum256([]byte(changed))
	want.Loads.Applied, want.Digest = 4, hex.EncodeToString(sum[:])
	if got := same("changed"); !got.Since.After(first.Since) {
		t.Errorf("since %v", got.Since)
	}
}

// TestWatchCountsChanges: Watch counts each change once, although it reads a new file several times.
func TestWatchCountsChanges(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.zpl")
	const text = "security\n    anonymous = 1\n"
	ztest.WriteFile(t, file, text)
	p, err := policy.Load(file, policy.Options{State: policy.StateNone})
	ztest.Must(t, err)
	defer p.Close()
	for applied := uint64(2); applied < 4; applied++ {
		ztest.WriteFile(t, file, text+strings.Repeat("# changed\n", int(applied)))
		ztest.Wait(t, "the change is applied", func() bool {
			p.Look()
			return p.Report().Loads.Applied >= applied
		})
		for range 3 {
			p.Look()
		}
		if got := p.Report().Loads.Applied; got != applied {
			t.Fatalf("%d loads, want %d", got, applied)
		}
	}
	ztest.Must(t, p.Reload())
	if got := p.Report().Loads.Applied; got != 4 {
		t.Errorf("%d loads after Reload", got)
	}
}

// TestReportOfRules: a report about rules of a program names no file.
func TestReportOfRules(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(policy.Report{}, new(policy.Policy).Report()); diff != "" {
		t.Error(diff)
	}
	if first, all := new(policy.Policy).Expiring(); first != nil || all != 0 {
		t.Errorf("%d of %d expire", len(first), all)
	}
	s := keystore.NewMemory()
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	if err := p.Set(nil); err == nil {
		t.Error("set no rules")
	}
	got := p.Report()
	want := policy.Report{Digest: got.Digest, Domains: []string{"*"}, Loads: policy.Loads{Applied: 1}, Stores: []policy.StoreReport{{}}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(policy.Report{}, "Since"), cmpopts.IgnoreFields(policy.Loads{}, "Last")); diff != "" {
		t.Error(diff)
	}
}

// TestExpiring: Expiring returns the certificates that expire first, and counts the others.
func TestExpiring(t *testing.T) {
	t.Parallel()
	s := keystore.NewMemory()
	const all = 3500
	soon, ids := time.Now().Add(time.Hour).Truncate(time.Second), make([]*keystore.Identity, all)
	for i := range ids {
		c := &cert.Certificate{Public: curve.GenerateKey().Public()}
		c.Validity.NotAfter = soon.Add(time.Duration(i*7919%all) * time.Second)
		ids[i] = &keystore.Identity{Name: fmt.Sprint("x", i), Certificate: c}
	}
	ztest.Must(t, s.Put(ids...))
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	first, n := p.Expiring()
	if len(first) != 1000 || n != all {
		t.Fatalf("%d of %d", len(first), n)
	}
	for i, id := range first {
		if left := id.Expires.Sub(first[0].Expires); left != time.Duration(i)*time.Second {
			t.Fatalf("the %dth expires after %v", i, left)
		}
	}
}

// TestNames: a policy knows the names of a key in all its keystores, also of a revoked key.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob, carol := scenario.Named("alice"), scenario.Named("bob"), scenario.Named("carol")
	put(t, filepath.Join(dir, "a"), alice)
	put(t, filepath.Join(dir, "a"), bob)
	put(t, filepath.Join(dir, "b"), bob)
	ztest.Must(t, os.Mkdir(filepath.Join(dir, "c"), 0o755))
	c, err := keystore.Open("dir:"+filepath.Join(dir, "c"), nil)
	ztest.Must(t, err)
	defer c.Close()
	ztest.Must(t, c.Put(&keystore.Identity{Name: "alice-2", Certificate: alice}), c.Revoke(carol.Public, time.Now(), ""))
	a, err := keystore.Open("dir:"+filepath.Join(dir, "a"), nil)
	ztest.Must(t, err)
	defer a.Close()
	ztest.Must(t, a.Revoke(bob.Public, time.Now(), "lost"))
	section := "security\n    domain = %s\n    curve = 1\n        keystore = dir:%s\n"
	p, _ := load(t, dir, fmt.Sprintf(section+section+section, "a", "a", "b", "b", "c", "c"))
	for c, want := range map[*cert.Certificate][]string{alice: {"alice", "alice-2"}, bob: {"bob"}, carol: nil, scenario.Named("dave"): nil} {
		if diff := cmp.Diff(want, p.Names(c.Public)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Name(), diff)
		}
	}
	if got := new(policy.Policy).Names(alice.Public); got != nil {
		t.Errorf("the zero value knows %v", got)
	}
}

// TestLimitHits: a report counts the clients that were refused because of a limit.
func TestLimitHits(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    failures = 2\n    curve = 1\n        keystore = mem:\n")
	key := curve.GenerateKey().Public()
	for range 5 {
		p.Handle(t.Context(), ask("", "192.0.2.1", zap.Curve, string(key[:])))
	}
	if got := p.Report().Limits; got != (policy.LimitHits{Failures: 3}) {
		t.Errorf("got %+v", got)
	}
}

// BenchmarkExpiring looks for what expires soon among 100,000 identities, all of which do.
func BenchmarkExpiring(b *testing.B) {
	s := keystore.NewMemory()
	ids := make([]*keystore.Identity, 100_000)
	for i := range ids {
		c := &cert.Certificate{Public: curve.GenerateKey().Public()}
		c.Validity.NotAfter = time.Now().Add(time.Hour + time.Duration(i)*time.Second).Truncate(time.Second)
		ids[i] = &keystore.Identity{Name: fmt.Sprint("x", i), Certificate: c}
	}
	ztest.Must(b, s.Put(ids...))
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(b, err)
	defer p.Close()
	for b.Loop() {
		p.Expiring()
	}
}
