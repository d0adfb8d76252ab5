package keystore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

var at = time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)

// eachKind runs a test on an empty store of each writable kind. again opens the same
// store a second time, as another process would; it is nil for mem:.
func eachKind(t *testing.T, test func(t *testing.T, s keystore.Store, again func() keystore.Store)) {
	t.Helper()
	for _, kind := range []string{"mem", "dir", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := urlOf(t, kind)
			s, _ := open(t, url)
			again := func() keystore.Store {
				ztest.Must(t, s.Close())
				s, _ = open(t, url)
				return s
			}
			if kind == "mem" {
				again = nil
			}
			test(t, s, again)
			ztest.Must(t, s.Close())
		})
	}
}

// urlOf returns the URL of a new store.
func urlOf(t testing.TB, kind string) string {
	t.Helper()
	url := kind + ":"
	switch kind {
	case "dir":
		url += t.TempDir()
	case "bolt":
		url += filepath.Join(t.TempDir(), "clients.db")
	}
	ztest.Must(t, keystore.Create(url))
	return url
}

func generate(t testing.TB, name string, more ...struct{ Name, Value string }) *cert.Certificate {
	t.Helper()
	c := cert.Generate(name)
	c.Metadata = append(c.Metadata, more...)
	return c
}

// canonical returns the canonical text of a certificate.
func canonical(t testing.TB, c *cert.Certificate) string {
	t.Helper()
	text, err := c.AppendCanonical(nil)
	ztest.Must(t, err)
	return string(text)
}

// put returns an identity with the name in its certificate.
func put(c *cert.Certificate, groups ...string) *keystore.Identity {
	return &keystore.Identity{Name: c.Name(), Certificate: c, Groups: groups}
}

// TestStore: in each kind of store, changes by Put, Revoke and Remove apply at once, and
// remain when the store is opened again.
func TestStore(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice, bob, carol := generate(t, "alice", cert.Metadata{{"group", "admins"}}...), generate(t, "bob"), generate(t, "carol")
		ztest.Must(t, cert.GenerateAuthority("").Sign(alice))
		ztest.Must(t, s.Put(put(alice)))
		ztest.Must(t, s.Put(put(bob, "fx", "fx/desk")))
		ztest.Must(t, s.Put(put(carol, "fx")))
		ztest.Must(t, s.Revoke(carol.Public, at.Add(time.Nanosecond), "laptop stolen"))
		ztest.Must(t, s.Revoke(carol.Public, at.Add(time.Hour), "another reason"))
		check := func(when string) {
			t.Helper()
			for c, groups := range map[*cert.Certificate][]string{alice: nil, bob: {"fx", "fx/desk"}} {
				id, ok := s.Lookup(c.Public)
				if !ok {
					t.Fatalf("%s: %s is unknown", when, c.Name())
				}
				if id.Name != c.Name() || id.UserID != c.Name() || canonical(t, id.Certificate) != canonical(t, c) || !id.Certificate.Secret.IsZero() {
					t.Errorf("%s: got %+v", when, id)
				}
				if !slices.Equal(groups, id.Groups) {
					t.Errorf("%s: groups of %s: %q", when, id.Name, id.Groups)
				}
			}
			if knows(s, carol.Public) {
				t.Errorf("%s: a revoked key is known", when)
			}
			r, ok := s.Revocation(carol.Public)
			if !ok || !r.Time.Equal(at) || r.Reason != "laptop stolen" || r.Name != "carol" || !slices.Equal(r.Groups, []string{"fx"}) || !r.InForce() {
				t.Errorf("%s: %+v", when, r)
			}
			if n := len(slices.Collect(s.All())); n != 2 || s.Len() != 2 {
				t.Errorf("%s: %d of %d identities", when, n, s.Len())
			}
			if _, ok := s.Lookup(generate(t, "stranger").Public); ok {
				t.Errorf("%s: a stranger is known", when)
			}
		}
		check("at once")
		if again != nil {
			s = again()
			check("again")
		}

		ztest.Must(t, s.Remove(alice.Public))
		if err := s.Remove(alice.Public); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		// A second Put replaces the groups and the name, but does not lift a revocation.
		ztest.Must(t, s.Put(&keystore.Identity{Name: "robert", Certificate: bob, Groups: []string{"fx"}}))
		if err := s.Put(put(carol)); !errors.Is(err, keystore.ErrRevoked) || !strings.Contains(err.Error(), "laptop stolen") {
			t.Errorf("put a revoked key: %v", err)
		}
		check = func(when string) {
			t.Helper()
			if id, ok := s.Lookup(bob.Public); !ok || id.Name != "robert" || !slices.Equal(id.Groups, []string{"fx"}) {
				t.Errorf("%s: %+v", when, id)
			}
			if _, revoked := s.Revocation(carol.Public); knows(s, carol.Public) || !revoked {
				t.Errorf("%s: carol is back", when)
			}
			if s.Len() != 1 {
				t.Errorf("%s: %d identities", when, s.Len())
			}
		}
		check("changed")
		if again != nil {
			s = again()
			check("changed, again")
		}

		ztest.Must(t, s.Unrevoke(carol.Public, at.Add(time.Hour), "found"))
		check = func(when string) {
			t.Helper()
			if id, ok := s.Lookup(carol.Public); !ok || id.Name != "carol" || !slices.Equal(id.Groups, []string{"fx"}) {
				t.Errorf("%s: %+v", when, id)
			}
			traces := maps.Collect(s.Revocations())
			if r := traces[carol.Public]; len(traces) != 1 || r == nil || r.InForce() || r.Reason != "laptop stolen" || r.LiftedReason != "found" || !r.Lifted.Equal(at.Add(time.Hour)) {
				t.Errorf("%s: the record is %+v", when, traces)
			}
		}
		check("lifted")
		if again != nil {
			s = again()
			check("lifted, again")
		}
		// A key without an identity can be revoked as well, and more than once.
		stranger := generate(t, "stranger").Public
		ztest.Must(t, s.Revoke(stranger, at, ""), s.Revoke(carol.Public, at.Add(2*time.Hour), ""))
		if again != nil {
			s = again()
		}
		for _, key := range []curve.PublicKey{stranger, carol.Public} {
			if _, revoked := s.Revocation(key); !revoked || knows(s, key) {
				t.Error("not revoked")
			}
		}
	})
}

// TestRestore: Restore copies all fields of a revocation, and also records a lifted one.
// Neither lifts an existing revocation.
func TestRestore(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice, bob, carol := generate(t, "alice"), generate(t, "bob"), generate(t, "carol")
		from, _ := open(t, "mem:")
		ztest.Must(t, from.Put(put(alice, "fx"), put(bob, "fx"), put(carol)))
		ztest.Must(t, from.Revoke(alice.Public, at, "stolen"), from.Revoke(bob.Public, at, ""), from.Unrevoke(bob.Public, at.Add(time.Hour), "found"))
		ztest.Must(t, from.Revoke(carol.Public, at, ""), from.Unrevoke(carol.Public, at.Add(time.Hour), ""))
		ztest.Must(t, s.Put(put(alice)), s.Revoke(carol.Public, at.Add(-time.Hour), "earlier"))
		for key, r := range from.Revocations() {
			ztest.Must(t, s.Restore(key, r))
		}
		check := func(when string) {
			t.Helper()
			if r, ok := s.Revocation(alice.Public); !ok || r.Reason != "stolen" || r.Name != "alice" || !r.Time.Equal(at) || knows(s, alice.Public) {
				t.Errorf("%s: alice: %+v", when, r)
			}
			if r, ok := s.Revocation(carol.Public); !ok || r.Reason != "earlier" {
				t.Errorf("%s: carol: %+v", when, r)
			}
			traces := maps.Collect(s.Revocations())
			if r := traces[bob.Public]; r == nil || r.InForce() || r.LiftedReason != "found" || !slices.Equal(r.Groups, []string{"fx"}) {
				t.Errorf("%s: bob: %+v", when, r)
			}
		}
		check("at once")
		if again != nil {
			s = again()
			check("again")
		}
	})
}

// TestStoreRefuses: Put and Revoke refuse data that they can't write, and change nothing.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, _ func() keystore.Store) {
		alice := generate(t, "alice")
		for _, group := range []string{"", "..", "../x", ".hidden", "a\x00", "a\nb", "a\"b", "a ", "a."} {
			if err := s.Put(put(alice, group)); !errors.Is(err, keystore.ErrGroup) {
				t.Errorf("group %q: %v", group, err)
			}
		}
		for _, name := range []string{"", "a\nb", "Zoë", strings.Repeat("x", 256), alice.Public.String(), generate(t, "x").Public.String()} {
			if err := s.Put(&keystore.Identity{Name: name, Certificate: alice}); !errors.Is(err, keystore.ErrName) {
				t.Errorf("name %q: %v", name, err)
			}
		}
		if err := s.Put(&keystore.Identity{Name: "x", Certificate: generate(t, "a\nb")}); !errors.Is(err, form.ErrMetadata) {
			t.Errorf("metadata: %v", err)
		}
		if err := s.Put(&keystore.Identity{Name: "x", Certificate: new(cert.Certificate)}); !errors.Is(err, curve.ErrPublicKey) {
			t.Errorf("no key: %v", err)
		}
		for _, id := range []*keystore.Identity{{}, {Name: "x"}} {
			if err := s.Put(id); err == nil || !strings.HasPrefix(err.Error(), "keystore: ") || strings.Count(err.Error(), "keystore: ") > 1 {
				t.Errorf("%+v: %v", id, err)
			}
		}
		forged := generate(t, "forged")
		ztest.Must(t, cert.GenerateAuthority("").Sign(forged))
		forged.Metadata.Set("group", "admins")
		if err := s.Put(put(forged)); err == nil || !strings.Contains(err.Error(), "wrong signature") {
			t.Errorf("forged: %v", err)
		}
		published, err := curve.ParsePublicKey("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")
		ztest.Must(t, err)
		if err := s.Put(&keystore.Identity{Name: "x", Certificate: &cert.Certificate{Public: published}}); err == nil || !strings.Contains(err.Error(), "well-known test key") {
			t.Errorf("published: %v", err)
		}
		if s.Len() != 0 {
			t.Errorf("%d identities", s.Len())
		}
		ztest.Must(t, s.Put(put(alice)))
		if err := s.Put(&keystore.Identity{Name: "alice", Certificate: generate(t, "mallory")}); !errors.Is(err, keystore.ErrName) {
			t.Errorf("a name that is taken: %v", err)
		}
		if err := s.Revoke(alice.Public, at, `it's "both"`); !errors.Is(err, keystore.ErrReason) {
			t.Errorf("reason: %v", err)
		}
		if !knows(s, alice.Public) || s.Len() != 1 {
			t.Error("changed nevertheless")
		}
	})
}

// TestLookupAllocations: Lookup doesn't allocate, in any kind of store.
func TestLookupAllocations(t *testing.T) {
	for _, kind := range []string{"mem", "dir", "bolt"} {
		s, _ := open(t, urlOf(t, kind))
		alice := generate(t, "alice")
		ztest.Must(t, s.Put(put(alice)))
		stranger := generate(t, "stranger").Public
		if n := testing.AllocsPerRun(100, func() {
			s.Lookup(alice.Public)
			s.Lookup(stranger)
		}); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
		ztest.Must(t, s.Close())
	}
}

// TestSources: armored certificates in a file and in the environment.
func TestSources(t *testing.T) {
	alice, bob := generate(t, "alice"), generate(t, "bob", cert.Metadata{{"group", "traders"}}...)
	text := "Hello,\n"
	for _, c := range []*cert.Certificate{alice, bob, alice} {
		block := armor.New
		if c == bob {
			block = armor.NewSecret
		}
		e, err := block(c)
		ztest.Must(t, err)
		armored, err := e.Append(nil)
		ztest.Must(t, err)
		text += string(armored) + "and\n"
	}
	path := filepath.Join(t.TempDir(), "clients.txt")
	ztest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	t.Setenv("ZCURVE_TEST_CLIENTS", text)
	for _, url := range []string{"file:" + path, "env:ZCURVE_TEST_CLIENTS"} {
		s, log := open(t, url)
		if s.Len() != 2 || !knows(s, alice.Public) || log.Count("level=WARN", "duplicate key") != 1 {
			t.Errorf("%s: %d identities, log:\n%s", url, s.Len(), log)
		}
		if id, ok := s.Lookup(bob.Public); !ok || inGroup(id, "traders") || id.UserID != bob.Public.String() || !id.Certificate.Secret.IsZero() {
			t.Errorf("%s: %+v", url, id)
		}
		for _, err := range []error{s.Put(put(alice)), s.Remove(alice.Public), s.Revoke(alice.Public, at, ""), s.Unrevoke(alice.Public, at, "")} {
			if !errors.Is(err, keystore.ErrReadOnly) {
				t.Errorf("%s: %v", url, err)
			}
		}
		ztest.Must(t, s.Close())
	}
	// Reload reads the file again. A damaged one changes nothing.
	s, _ := open(t, "file:"+path)
	ztest.Must(t, os.WriteFile(path, []byte(text[:strings.Index(text, "and\n")]), 0o600))
	ztest.Must(t, s.Reload())
	if s.Len() != 1 || !knows(s, alice.Public) || knows(s, bob.Public) {
		t.Errorf("after rereading: %d identities", s.Len())
	}
	ztest.Must(t, os.WriteFile(path, []byte(strings.Replace(text, "CURVE", "PLAIN", 1)), 0o600))
	if err := s.Reload(); !strings.Contains(err.Error(), "damaged in transit") || s.Len() != 1 {
		t.Errorf("damaged: %v, %d identities", err, s.Len())
	}
	if _, err := keystore.Open("file:"+path, nil); !strings.Contains(err.Error(), "damaged in transit") {
		t.Errorf("damaged: %v", err)
	}
	if _, err := keystore.Open("file:"+path+".missing", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, url := range []string{"file:" + filepath.Dir(path), "env:ZCURVE_TEST_NOTHING"} {
		if _, err := keystore.Open(url, nil); err == nil {
			t.Errorf("%s: opened", url)
		}
	}
}

// TestTwoWriters: two processes that write to the same directory lose nothing.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	url := urlOf(t, "dir")
	const each = 50
	var work sync.WaitGroup
	keys := make([][]curve.PublicKey, 2)
	for w := range keys {
		s, _ := open(t, url) // a separate store, as another process would have
		work.Go(func() {
			for i := range each {
				c := generate(t, fmt.Sprint("identity-", w, "-", i))
				if err := s.Put(put(c)); err != nil {
					t.Error(err)
				}
				if i%5 == 4 {
					if err := s.Revoke(c.Public, at, ""); err != nil {
						t.Error(err)
					}
				}
				keys[w] = append(keys[w], c.Public)
			}
		})
	}
	work.Wait()
	s, log := open(t, url)
	for _, mine := range keys {
		for i, key := range mine {
			if _, revoked := s.Revocation(key); revoked != (i%5 == 4) || knows(s, key) == revoked {
				t.Errorf("identity %d was lost, or its revocation", i)
			}
		}
	}
	if s.Len() != 2*each*4/5 || log.Count("level=ERROR")+log.Count("level=WARN") > 0 {
		t.Errorf("%d identities, log:\n%s", s.Len(), log)
	}
}

// BenchmarkLoad opens a large store.
func BenchmarkLoad(b *testing.B) {
	for _, bb := range []struct {
		kind  string
		count int
	}{{"dir", 1_000}, {"dir", 100_000}, {"bolt", 1_000}, {"bolt", 100_000}, {"bolt", 1_000_000}, {"mem", 1_000_000}} {
		b.Run(fmt.Sprintf("%s-%d", bb.kind, bb.count), func(b *testing.B) {
			if testing.Short() && bb.count > 1_000 {
				b.Skip("uses that many")
			}
			url := urlOf(b, bb.kind)
			s, err := keystore.Open(url, nil)
			ztest.Must(b, err)
			start := time.Now()
			key := curve.GenerateKey().Public()
			var part []*keystore.Identity
			for i := range bb.count {
				// Any 32 bytes are a public key. Generating each takes too long.
				binary.LittleEndian.PutUint64(key[:], uint64(i)*0x9e3779b97f4a7c15)
				name := fmt.Sprint("identity-", i)
				part = append(part, &keystore.Identity{Name: name, Certificate: &cert.Certificate{Public: key, Metadata: cert.Metadata{
					{Name: "name", Value: name}, {Name: "group", Value: "traders"}}}})
				if len(part) == 10_000 || i == bb.count-1 {
					ztest.Must(b, s.Put(part...))
					part = part[:0]
				}
			}
			var before, after runtime.MemStats
			if bb.kind == "mem" { // there is nothing to open, only to fill
				runtime.GC()
				runtime.ReadMemStats(&before)
				took := time.Since(start)
				known := s.Len()
				ztest.Must(b, s.Close())
				s = nil
				runtime.GC()
				runtime.ReadMemStats(&after)
				for b.Loop() {
				}
				b.ReportMetric(float64(took.Nanoseconds()), "ns/op")
				b.ReportMetric(float64(before.HeapAlloc-after.HeapAlloc)/float64(known), "B/identity")
				return
			}
			ztest.Must(b, s.Close())
			s = nil
			runtime.GC()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				s, err := keystore.Open(url, nil)
				ztest.Must(b, err)
				b.StopTimer()
				if s.Len() != bb.count {
					b.Fatalf("%d identities", s.Len())
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				ztest.Must(b, s.Close())
				b.StartTimer()
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(bb.count), "B/identity")
		})
	}
}

// TestPutMany: many identities can be put at once, and put again. If one is invalid, none
// is put.
func TestPutMany(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		var many []*keystore.Identity
		for i := range 50 {
			many = append(many, put(generate(t, fmt.Sprint("identity-", i)), "group"))
		}
		err := s.Put(append(slices.Clone(many), &keystore.Identity{Name: "broken", Certificate: new(cert.Certificate)})...)
		if !errors.Is(err, curve.ErrPublicKey) {
			t.Errorf("with an invalid one: %v", err)
		}
		if s.Len() != 0 {
			t.Errorf("%d were put with an invalid one", s.Len())
		}
		ztest.Must(t, s.Put(many...))
		if again != nil {
			s = again()
		}
		for _, e := range many {
			if id, ok := s.Lookup(e.Certificate.Public); !ok || !inGroup(id, "group") {
				t.Fatalf("%s: %+v", e.Name, id)
			}
		}
		if s.Len() != len(many) {
			t.Errorf("%d identities", s.Len())
		}
	})
}
