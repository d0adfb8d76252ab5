package keystore_test

import (
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestPutMisuse: Put refuses a nil identity and a key with two names, and puts nothing. The
// same identity can appear twice.
func TestPutMisuse(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice, bob := generate(t, "alice"), generate(t, "bob")
		renamed := put(alice)
		renamed.Name = "carol"
		for name, ids := range map[string][]*keystore.Identity{
			"nil": {put(bob), nil}, "two names": {put(bob), put(alice), renamed},
		} {
			if err := s.Put(ids...); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if again != nil {
			s = again()
		}
		if s.Len() != 0 {
			t.Errorf("%d identities", s.Len())
		}
		ztest.Must(t, s.Put(put(alice), put(alice, "fx")))
		if again != nil {
			s = again()
		}
		if id, ok := s.Lookup(alice.Public); !ok || !inGroup(id, "fx") || s.Len() != 1 {
			t.Errorf("%d identities, and %+v", s.Len(), id)
		}
	})
}

// TestRestoreZone: the times of a revocation can be in any zone, and are kept.
func TestRestoreZone(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		local := at.In(time.FixedZone("", 5*60*60))
		alice, bob := put(generate(t, "alice")), put(generate(t, "bob"))
		lifted := &keystore.RevokedKey{Time: local, Lifted: local.Add(time.Hour)}
		ztest.Must(t, s.Restore(alice.Key(), &keystore.RevokedKey{Time: local}), s.Restore(bob.Key(), lifted))
		lifted.Lifted = time.Time{}
		check := func() {
			t.Helper()
			if r := revocationOf(s, alice); r == nil || !r.Time.Equal(at) || r.String() != "revoked on "+at.Format("2006-01-02T15:04:05Z") {
				t.Errorf("got %v, want %v", r, at)
			}
			if r := revocationOf(s, bob); r == nil || !r.Time.Equal(at) || !r.Lifted.Equal(at.Add(time.Hour)) {
				t.Errorf("got %+v, want %v", r, at)
			}
		}
		check()
		if again != nil {
			s = again()
			check()
		}
	})
}
