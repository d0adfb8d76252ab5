package keystore

import (
	"slices"

	"github.com/zcurve/zcurve/curve"
)

// names knows which identities have which name. Nearly always there is one.
type names struct {
	one     map[string]curve.PublicKey
	several map[string][]curve.PublicKey // those that have a name together
}

// add notes that the identity with this key has a name.
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

// remove notes that it no longer has it.
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

// holder returns one that has a name.
func (n *names) holder(name string) (curve.PublicKey, bool) {
	if keys := n.several[name]; len(keys) > 0 {
		return keys[0], true
	}
	key, ok := n.one[name]
	return key, ok
}

// nameLocked gives those who have a name their user ids: the name to the one whose
// place is the least deep. If there are several of these none has it, because a
// service couldn't tell who is meant; each is then called by its key.
func (m *memory) nameLocked(name string) {
	keys := m.names.several[name]
	if key, ok := m.names.one[name]; ok {
		if id, _ := m.identities.get(key); id.UserID == name && !id.ambiguous && checkName(name) == nil {
			return // as nearly always
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
			m.log.Warn("identity is known to services by its key: its name can't tell who it is",
				"name", name, "key", key, "source", id.Source, "why", why(unique && id == first, id))
		}
		m.identities.set(key, &Identity{Name: id.Name, UserID: userID, Certificate: id.Certificate, Others: id.Others,
			Groups: id.Groups, Source: id.Source, rank: id.rank, ambiguous: id.ambiguous, sum: id.sum})
	}
}

// why says why an identity isn't called by its name.
func why(isFirst bool, id *Identity) string {
	switch {
	case !isFirst:
		return "another identity has it"
	case id.ambiguous:
		return "its files have several names"
	}
	return "it is empty, too long, not ASCII, or reads like a key"
}
