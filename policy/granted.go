package policy

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// granted is the user id and the metadata that a client is admitted with.
type granted struct {
	userID   string
	keyID    string // the key, used as a user id
	groups   []string
	metadata zap.Metadata
}

// grants remembers the last grant of an identity, so that deciding about a client that
// reconnects allocates nothing. Several keys can share a slot: memory is bounded, and no
// lock is needed. The number of slots grows with the keystores.
type grants struct {
	stores []keystore.Store
	slots  atomic.Pointer[[]atomic.Pointer[grant]] // the length is a power of two
}

// newGrants returns grants with room for the identities in these keystores, and some more.
func newGrants(stores []keystore.Store) *grants {
	g := &grants{stores: stores}
	slots := make([]atomic.Pointer[grant], g.size())
	g.slots.Store(&slots)
	return g
}

// size returns the number of slots there should be.
func (g *grants) size() int {
	identities := 0
	for _, s := range g.stores {
		identities += s.Len()
	}
	return 1 << bits.Len(uint(min(max(2*identities, 0), 1<<20)|1<<10))
}

// grant holds what an identity's first certificate grants, depending on whether the
// policy trusts the authority that signed it.
type grant struct {
	id               *keystore.Identity
	trusted, claimed *granted
}

// of returns the grant of an identity.
func (g *grants) of(id *keystore.Identity) *grant {
	key := id.Key()
	slots := g.slots.Load()
	if last := slotOf(slots, key).Load(); last != nil && last.id == id {
		return last
	}
	now := &grant{id, newGranted(id, id.Certificate, true), newGranted(id, id.Certificate, false)}
	if size := g.size(); size > len(*slots) { // the keystores have grown
		grown := make([]atomic.Pointer[grant], size)
		g.slots.CompareAndSwap(slots, &grown) // otherwise another goroutine has done it
		slots = g.slots.Load()
	}
	slotOf(slots, key).Store(now)
	return now
}

// slotOf returns the slot of a key.
func slotOf(slots *[]atomic.Pointer[grant], key curve.PublicKey) *atomic.Pointer[grant] {
	return &(*slots)[binary.LittleEndian.Uint32(key[:])&uint32(len(*slots)-1)]
}

// granted returns what one of an identity's certificates grants.
func (c *curveRules) granted(id *keystore.Identity, certificate *cert.Certificate) *granted {
	isTrusted := c.authorities[certificate.Authority]
	if certificate != id.Certificate {
		return newGranted(id, certificate, isTrusted)
	}
	g := c.grants.of(id)
	if isTrusted {
		return g.trusted
	}
	return g.claimed
}

// newGranted computes a grant. Metadata that a trusted authority signed keeps its names.
// All other metadata is a claim of the client, and is renamed to show this.
func newGranted(id *keystore.Identity, certificate *cert.Certificate, isTrusted bool) *granted {
	g := &granted{userID: id.UserID, keyID: id.Key().String(), groups: slices.Clone(id.Groups)}
	if g.userID == "" {
		g.userID = g.keyID
	}
	prefix := claimPrefix
	if isTrusted {
		prefix = ""
		g.groups = append(g.groups, splitGroups(certificate.Metadata.Get(groupProperty))...)
	}
	for _, p := range certificate.Metadata {
		if isTrusted && strings.EqualFold(p.Name, groupProperty) || isReserved(p.Name) {
			continue
		}
		if len(g.metadata) < zap.MaxProperties-1 { // one is for the groups
			g.metadata = appendProperty(g.metadata, prefix+p.Name, p.Value)
		}
	}
	return g.in(nil)
}

// in returns a copy of g with more groups.
func (g *granted) in(groups []string) *granted {
	more := *g
	more.groups = slices.Concat(g.groups, groups)
	slices.Sort(more.groups)
	more.groups = slices.Compact(more.groups)
	more.metadata = withGroups(g.metadata, more.groups)
	return &more
}

// withGroups returns a copy of metadata in which the groups are these, which are sorted.
func withGroups(m zap.Metadata, groups []string) (with zap.Metadata) {
	for _, p := range m {
		if p.Name != groupProperty {
			with = append(with, p)
		}
	}
	before := len(with)
	if with = appendProperty(with, groupProperty, strings.Join(groups, ",")); len(with) == before {
		with = append(with, noGroups...)
	}
	return slices.Clip(with) // a program may append to a reply's
}

// claimPrefix begins the names of metadata that the client claims, without the signature
// of a trusted authority.
const claimPrefix = "Claim-"

// splitGroups splits a list of groups: "a, b".
func splitGroups(value string) (groups []string) {
	for g := range strings.SplitSeq(value, ",") {
		if g = strings.TrimSpace(g); g != "" {
			groups = append(groups, g)
		}
	}
	return groups
}

// appendProperty appends a property, if a reply can carry it.
func appendProperty(m zap.Metadata, name, value string) zap.Metadata {
	p := zap.Metadata{{name, value}}
	if _, err := p.Append(nil); err != nil {
		return m
	}
	return append(m, p...)
}
