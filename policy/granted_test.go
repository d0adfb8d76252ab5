package policy

import (
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
)

// TestGrantsOfOneSlot: identities that share a slot keep their own grants, and so does an
// identity that has changed.
func TestGrantsOfOneSlot(t *testing.T) {
	t.Parallel()
	certificate := cert.Generate("alice")
	g := newGrants(0)
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
