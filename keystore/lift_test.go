package keystore_test

import (
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// revocationOf returns the revocation of a key, lifted or not.
func revocationOf(s keystore.Store, e *keystore.Identity) *keystore.RevokedKey {
	for key, r := range s.Revocations() {
		if key == e.Certificate.Public {
			return r
		}
	}
	return nil
}

// TestUnrevokeAgain: lifting a revocation a second time doesn't bring back an identity that
// was removed or moved to other groups since the first.
func TestUnrevokeAgain(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice, bob := put(generate(t, "alice"), "admins"), put(generate(t, "bob"), "admins")
		ztest.Must(t, s.Put(alice, bob))
		for _, e := range []*keystore.Identity{alice, bob} {
			ztest.Must(t, s.Revoke(e.Certificate.Public, at, ""), s.Unrevoke(e.Certificate.Public, at, ""))
			if id, ok := s.Lookup(e.Certificate.Public); !ok || !inGroup(id, "admins") {
				t.Fatalf("%s isn't back: %+v", e.Name, id)
			}
		}
		bob.Groups = []string{"guests"}
		ztest.Must(t, s.Remove(alice.Certificate.Public), s.Put(bob))
		for _, e := range []*keystore.Identity{alice, bob} {
			ztest.Must(t, s.Unrevoke(e.Certificate.Public, at, ""))
		}
		if again != nil {
			s = again()
		}
		if _, ok := s.Lookup(alice.Certificate.Public); ok {
			t.Error("alice was removed, and is back")
		}
		if id, ok := s.Lookup(bob.Certificate.Public); !ok || inGroup(id, "admins") || !inGroup(id, "guests") {
			t.Errorf("bob is not in the groups of the last put: %+v", id)
		}
	})
}

// TestClockSetBack: if a key is revoked and the revocation lifted, the later event has
// the later time, even if the clock was set back in between.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, _ func() keystore.Store) {
		alice := put(generate(t, "alice"))
		ztest.Must(t, s.Put(alice))
		key := alice.Certificate.Public
		last := at.Add(-time.Second)
		for hours := range 3 {
			now := at.Add(-time.Duration(hours) * time.Hour)
			ztest.Must(t, s.Revoke(key, now, ""))
			if r := revocationOf(s, alice); !r.Time.After(last) {
				t.Errorf("revoked at %v, after %v", r.Time, last)
			} else {
				last = r.Time
			}
			ztest.Must(t, s.Unrevoke(key, now.Add(-time.Minute), ""))
			if r := revocationOf(s, alice); r.Lifted.Before(last) {
				t.Errorf("lifted at %v, after %v", r.Lifted, last)
			} else {
				last = r.Lifted
			}
			before := last
			ztest.Must(t, s.Unrevoke(key, now.Add(-time.Minute), "once more"))
			if r := revocationOf(s, alice); !r.Lifted.After(before) {
				t.Errorf("lifted again at %v, after %v", r.Lifted, before)
			} else {
				last = r.Lifted
			}
		}
	})
}
