package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// memory is a store of kind mem:, and the content that stores of other kinds have read.
type memory struct {
	identities  index[Identity]   // identities whose key isn't revoked
	revocations index[RevokedKey] // all, including lifted ones
	generation  atomic.Uint64     // of revocations
	log         *slog.Logger

	mu        sync.Mutex // held to change any of these
	names     names
	err       error // why the last attempt to read failed; nil if it did not
	listeners map[*listener]bool
}

// NewMemory returns an empty store that is kept in memory only.
func NewMemory() Store { return &memory{log: slog.New(slog.DiscardHandler)} }

func (m *memory) Lookup(key curve.PublicKey) (*Identity, bool) { return m.identities.get(key) }
func (m *memory) Len() int                                     { return m.identities.len() }
func (m *memory) Generation() uint64                           { return m.generation.Load() }

func (m *memory) Holder(name string) (curve.PublicKey, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names.holder(name)
}

func (m *memory) All() iter.Seq[*Identity] {
	return func(yield func(*Identity) bool) {
		for _, id := range m.identities.all() {
			if !yield(id) {
				return
			}
		}
	}
}

func (m *memory) Revocation(key curve.PublicKey) (*RevokedKey, bool) {
	if m.revocations.len() == 0 { // nothing is revoked in most stores
		return nil, false
	}
	r, ok := m.revocations.get(key)
	if !ok || !r.InForce() {
		return nil, false
	}
	return r, true
}

func (m *memory) Revocations() iter.Seq2[curve.PublicKey, *RevokedKey] { return m.revocations.all() }

// setLocked sets the identity of a key, or removes it if id is nil. It ignores an
// identity whose key is revoked. Only fill adds identities without it.
func (m *memory) setLocked(key curve.PublicKey, id *Identity) {
	if _, revoked := m.Revocation(key); revoked {
		id = nil
	}
	old, _ := m.identities.get(key)
	if old == nil && id == nil {
		return
	}
	m.identities.set(key, id)
	for _, one := range []*Identity{old, id} {
		if one != nil {
			m.tellLocked(key, one.Name)
		}
	}
	if old != nil && (id == nil || old.Name != id.Name) {
		m.names.remove(old.Name, key)
		m.nameLocked(old.Name)
	}
	if id != nil {
		m.names.add(id.Name, key)
		m.nameLocked(id.Name)
	}
}

// revokeLocked records a revocation, lifted or not, and replaces an earlier one.
func (m *memory) revokeLocked(key curve.PublicKey, r *RevokedKey) {
	m.revocations.set(key, r)
	m.generation.Add(1)
	if r.InForce() {
		m.setLocked(key, nil)
	}
	m.tellLocked(key, r.Name)
}

// prepareLocked returns checked copies of identities for Put.
func (m *memory) prepareLocked(ids []*Identity) ([]*Identity, error) {
	type prepared struct {
		id  *Identity
		err error
	}
	identities := make([]*Identity, 0, len(ids))
	taken := make(map[string]curve.PublicKey, len(ids))
	seen := make(map[curve.PublicKey]int, len(ids)) // index in identities
	for _, p := range parallel(ids, func(id *Identity) prepared {
		id, err := prepare(id)
		return prepared{id, err}
	}) {
		if p.err != nil {
			return nil, p.err
		}
		key := p.id.Key()
		if r, revoked := m.Revocation(key); revoked {
			return nil, fmt.Errorf("%s: %w (%v)", p.id.Name, ErrRevoked, r)
		}
		other, ok := taken[p.id.Name]
		if !ok {
			other, ok = m.names.holder(p.id.Name)
		}
		if ok && other != key {
			return nil, fmt.Errorf("%w %q: another identity has it: %v", errName, p.id.Name, other)
		}
		if i, again := seen[key]; again {
			if first := identities[i].Name; first != p.id.Name {
				return nil, fmt.Errorf("%s and %s have the same key: %v", first, p.id.Name, key)
			}
			identities[i] = p.id
			continue
		}
		taken[p.id.Name], seen[key] = key, len(identities)
		identities = append(identities, p.id)
	}
	return identities, nil
}

func (m *memory) Put(ids ...*Identity) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	identities, err := m.prepareLocked(ids)
	if err != nil {
		return named(err)
	}
	for _, id := range identities {
		m.setLocked(id.Key(), id)
	}
	return nil
}

func (m *memory) Remove(key curve.PublicKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.identities.get(key); !ok {
		return named(notFound(key))
	}
	m.setLocked(key, nil)
	return nil
}

func (m *memory) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return m.Restore(key, newRevokedKey(at, reason))
}

func (m *memory) Restore(key curve.PublicKey, r *RevokedKey) error {
	r, err := r.prepared()
	if err != nil {
		return named(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.revocations.get(key)
	if known && (before.InForce() || !r.InForce()) {
		return nil
	}
	id, _ := m.identities.get(key)
	if !r.InForce() {
		id = nil
	}
	m.revokeLocked(key, r.after(before, id))
	return nil
}

func (m *memory) Unrevoke(key curve.PublicKey, at time.Time, reason string) error {
	if err := checkReason(reason); err != nil {
		return named(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, id := m.liftedLocked(key, at, reason)
	m.revokeLocked(key, r)
	if id != nil {
		if identities, err := m.prepareLocked([]*Identity{id}); err == nil {
			m.setLocked(key, identities[0])
		}
	}
	return nil
}

// liftedLocked returns the lifted revocation of a key, and the identity to put back, or
// nil. If the key is not revoked here, there is nothing to put back: the identity was put
// or removed since. The lifting is recorded even then, for policies that remember a
// revocation from another store.
func (m *memory) liftedLocked(key curve.PublicKey, at time.Time, reason string) (r *RevokedKey, id *Identity) {
	var lifted RevokedKey
	if old, found := m.revocations.get(key); found {
		lifted = *old
		if old.InForce() {
			id = old.identity(key)
		}
	}
	earliest := lifted.Time // later than the clock's time if the clock was set back
	if !lifted.Lifted.IsZero() {
		earliest = lifted.Lifted.Add(time.Second)
	}
	lifted.Lifted, lifted.LiftedReason = at.UTC().Truncate(time.Second), reason
	if lifted.Lifted.Before(earliest) {
		lifted.Lifted = earliest
	}
	return &lifted, id
}

func notFound(key curve.PublicKey) error { return fmt.Errorf("%v: %w", key, ErrNotFound) }

func (m *memory) Reload() error { return nil }

func (m *memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// noteRead records for Err whether reading failed, and returns why.
func (m *memory) noteRead(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = named(err)
	return m.err
}

func (m *memory) Watch(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (m *memory) Close() error { return nil }

// outage is a time during which a store can't be read.
type outage struct {
	since    time.Time // when the file or directory was first missing
	reported string    // the error that was logged
}

// note logs once that a store can't be read, or can be read again. gone reports whether
// the store has been missing for longer than replacing it takes. again is how long to
// wait before trying again, or 0.
func (o *outage) note(m *memory, keystore string, err error) (gone bool, again time.Duration) {
	_ = m.noteRead(err)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		o.since = time.Time{}
	case o.since.IsZero():
		o.since, again = time.Now(), follow.Stillness
	default:
		if gone = time.Since(o.since) >= follow.Stillness; !gone {
			again = follow.Stillness
		}
	}
	what := "reading the keystore failed: keeping the last known identities"
	if gone {
		what = "keystore missing: refusing all its identities until it is back"
	}
	switch {
	case err == nil && o.reported != "":
		m.log.Info("keystore readable again", "keystore", keystore)
		o.reported = ""
	case err != nil && o.reported != what+err.Error():
		o.reported = what + err.Error()
		m.log.Error(what, "keystore", keystore, "err", err)
	}
	return gone, again
}

// forget removes all identities, as if the store were opened while it is missing.
// Revocations stay.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.identities.all() {
		m.setLocked(key, nil)
	}
}

// fill sets many identities at once, in a store that is not in use yet and whose
// revocations are known.
func (m *memory) fill(identities []*Identity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range identities {
		key := id.Key()
		if _, revoked := m.Revocation(key); revoked {
			continue
		}
		m.identities.fill(key, id)
		m.names.add(id.Name, key)
	}
	for name := range m.names.several {
		m.nameLocked(name)
	}
	for _, id := range identities {
		if id.ambiguous || checkName(id.Name) != nil {
			m.nameLocked(id.Name)
		}
	}
}
