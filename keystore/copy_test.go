package keystore_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestCopy: the results of All and Revocations can be put into another store. The copy
// has the same groups and revocations, and refuses identities whose keys are revoked.
// Changing an identity after Put does not change the store.
func TestCopy(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice, bob := generate(t, "alice"), generate(t, "bob")
		from := keystore.NewMemory()
		ztest.Must(t, from.Put(put(alice, "fx", "desk"), put(bob)))
		before := slices.Collect(from.All())
		ztest.Must(t, from.Revoke(bob.Public, at, "stolen"))

		ids := slices.Collect(from.All())
		ztest.Must(t, s.Put(ids...))
		for key, r := range from.Revocations() {
			ztest.Must(t, s.Restore(key, r))
		}
		if err := s.Put(before...); !errors.Is(err, keystore.ErrRevoked) {
			t.Errorf("putting bob again: %v", err)
		}
		for _, id := range ids {
			id.Groups[0] = "changed"
		}
		check := func(when string) {
			t.Helper()
			id, ok := s.Lookup(alice.Public)
			if !ok || id.Name != "alice" || !slices.Equal(id.Groups, []string{"desk", "fx"}) || s.Len() != 1 {
				t.Errorf("%s: %+v", when, id)
			}
			if r, ok := s.Revocation(bob.Public); !ok || r.Reason != "stolen" || r.Name != "bob" {
				t.Errorf("%s: %+v", when, r)
			}
		}
		check("at once")
		if again != nil {
			s = again()
			check("again")
		}
	})
}
