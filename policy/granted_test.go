package policy

import (
	"fmt"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
)

// TestGrantsOfOneSlot: identities that share a slot keep their own grants, and so does an
// identity that has changed.
func TestGrantsOfOneSlot(t *testing.T) {
	t.Parallel()
	certificate := cert.Generate("alice")
	g := newGrants(nil)
	alice := &keystore.Identity{Name: "alice", UserID: "alice", Certificate: certificate, Groups: []string{"traders"}}
	moved := &keystore.Identity{Name: "alice", UserID: "alice", Certificate: certificate, Groups: []string{"guests"}}
	other := &cert.Certificate{Public: certificate.Public}
	other.Public[31] ^= 1
	mallory := &keystore.Identity{Name: "mallory", UserID: "mallory", Certificate: other}
	for range 2 {
		for _, id := range []*keystore.Identity{alice, mallory, moved} {
			got := g.of(id).claimed
			if got != g.of(id).claimed {
				t.Errorf("%s: made twice", id.Name)
			}
			if got.userID != id.UserID || len(got.groups) != len(id.Groups) || len(got.groups) > 0 && got.groups[0] != id.Groups[0] {
				t.Errorf("%s is granted %+v", id.Name, got)
			}
		}
	}
}

// TestGrantsGrow: a policy whose keystore was empty at first remembers the grants of all
// identities that were added.
func TestGrantsGrow(t *testing.T) {
	t.Parallel()
	store := keystore.NewMemory()
	defer store.Close()
	g := newGrants([]keystore.Store{store})
	before := len(*g.slots.Load())
	var ids []*keystore.Identity
	for i := range 4 * before {
		key := cert.Generate("").Public
		ids = append(ids, &keystore.Identity{Name: fmt.Sprint("n", i), Certificate: &cert.Certificate{Public: key}})
	}
	if err := store.Put(ids...); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if got := g.of(id); got.id != id || got.claimed.keyID != id.Key().String() {
			t.Fatalf("%s is granted %+v", id.Name, got.claimed)
		}
	}
	if after := len(*g.slots.Load()); after < 4*before {
		t.Errorf("%d slots, before %d", after, before)
	}
}
