package keystore

import (
	"slices"

	"github.com/zcurve/zcurve/curve"
)

// names holds the keys of the identities with each name, nearly always one.
type names struct {
	one     map[string]curve.PublicKey
	several map[string][]curve.PublicKey // keys that share a name
}

// add records that the identity with this key has a name.
func (n *names) add(name string, key curve.PublicKey) {
	if n.one == nil {
		n.one, n.several = map[string]curve.PublicKey{}, map[string][]curve.PublicKey{}
	}
	switch other, ok := n.one[name]; {
	case len(n.several[name]) > 0:
		if !slices.Contains(n.several[name], key) {
			n.several[name] = append(n.several[name], key)
		}
	case ok && other != key:
		n.several[name] = []curve.PublicKey{other, key}
		delete(n.one, name)
	default:
		n.one[name] = key
	}
}

// remove undoes add.
func (n *names) remove(name string, key curve.PublicKey) {
	if n.one[name] == key {
		delete(n.one, name)
	}
	if i := slices.Index(n.several[name], key); i >= 0 {
		keys := slices.Delete(n.several[name], i, i+1)
		delete(n.several, name)
		if len(keys) == 1 {
			n.one[name] = keys[0]
		} else {
			n.several[name] = keys
		}
	}
}

// holder returns the key of an identity with this name.
func (n *names) holder(name string) (curve.PublicKey, bool) {
	if keys := n.several[name]; len(keys) > 0 {
		return keys[0], true
	}
	key, ok := n.one[name]
	return key, ok
}

// nameLocked sets the user ids of the identities with a name. The identity whose place is
// the least deep gets the name. If several are equally deep, each gets its key as user
// id, because a service couldn't tell them apart.
func (m *memory) nameLocked(name string) {
	keys := m.names.several[name]
	if key, ok := m.names.one[name]; ok {
		if id, _ := m.identities.get(key); id.UserID == name && !id.ambiguous && checkName(name) == nil {
			return // nearly always
		}
		keys = []curve.PublicKey{key}
	}
	var first *Identity
	unique := true
	for _, key := range keys {
		id, _ := m.identities.get(key)
		switch {
		case first == nil || id.rank < first.rank:
			first, unique = id, true
		case id.rank == first.rank:
			unique = false
		}
	}
	for _, key := range keys {
		id, _ := m.identities.get(key)
		userID := key.String()
		if unique && id == first && !id.ambiguous && checkName(name) == nil {
			userID = name
		}
		if userID == id.UserID {
			continue
		}
		if userID != name {
			m.log.Warn("name not usable as a user id: using the key",
				"identity", name, "key", key, "file", id.Place, "reason", whyNot(unique && id == first, id))
		}
		renamed := *id
		renamed.UserID = userID
		m.identities.set(key, &renamed)
		m.tellLocked(key, name)
	}
}

// whyNot returns the reason why an identity's name isn't its user id.
func whyNot(isFirst bool, id *Identity) string {
	switch {
	case !isFirst:
		return "another identity has the same name"
	case id.ambiguous:
		return "its files have different names"
	}
	return "it is empty, longer than 255 bytes, not printable ASCII, or looks like a key"
}
