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

// memory is a store of the kind mem:, and the part of the others that is read.
type memory struct {
	identities  index[Identity]   // those whose key isn't revoked
	revocations index[Revocation] // all, also those that were lifted
	generation  atomic.Uint64     // of revocations
	log         *slog.Logger

	mu    sync.Mutex // held to change any of this
	names names
}

func newMem() *memory { return &memory{log: slog.New(slog.DiscardHandler)} }

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

func (m *memory) Revocation(key curve.PublicKey) (*Revocation, bool) {
	if m.revocations.len() == 0 { // as in most stores
		return nil, false
	}
	r, ok := m.revocations.get(key)
	if !ok || !r.InForce() {
		return nil, false
	}
	return r, true
}

func (m *memory) Revocations() iter.Seq2[curve.PublicKey, *Revocation] { return m.revocations.all() }

// setLocked puts an identity in force for its key, or none: the only way in which one
// gets there. One whose key is revoked doesn't.
func (m *memory) setLocked(key curve.PublicKey, id *Identity) {
	if _, revoked := m.Revocation(key); revoked {
		id = nil
	}
	old, _ := m.identities.get(key)
	if old == nil && id == nil {
		return
	}
	m.identities.set(key, id)
	if old != nil && (id == nil || old.Name != id.Name) {
		m.names.remove(old.Name, key)
		m.nameLocked(old.Name)
	}
	if id != nil {
		m.names.add(id.Name, key)
		m.nameLocked(id.Name)
	}
}

// revokeLocked puts a revocation in force, or one that was lifted in its place.
func (m *memory) revokeLocked(key curve.PublicKey, r *Revocation) {
	m.revocations.set(key, r)
	m.generation.Add(1)
	if r.InForce() {
		m.setLocked(key, nil)
	}
}

// prepareLocked makes identities of entries that can be put.
func (m *memory) prepareLocked(entries []Entry) ([]*Identity, error) {
	type prepared struct {
		id  *Identity
		err error
	}
	identities := make([]*Identity, 0, len(entries))
	taken := make(map[string]curve.PublicKey, len(entries))
	for _, p := range parallel(entries, func(e Entry) prepared {
		id, err := prepare(e)
		return prepared{id, err}
	}) {
		if p.err != nil {
			return nil, p.err
		}
		key := p.id.Key()
		if r, revoked := m.Revocation(key); revoked {
			return nil, fmt.Errorf("keystore: %s: %w (%v)", p.id.Name, ErrRevoked, r)
		}
		other, ok := taken[p.id.Name]
		if !ok {
			other, ok = m.names.holder(p.id.Name)
		}
		if ok && other != key {
			return nil, fmt.Errorf("keystore: %w: %q is the name of %v", ErrName, p.id.Name, other)
		}
		taken[p.id.Name] = key
		identities = append(identities, p.id)
	}
	return identities, nil
}

func (m *memory) Put(entries ...Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	identities, err := m.prepareLocked(entries)
	if err != nil {
		return err
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
		return notFound(key)
	}
	m.setLocked(key, nil)
	return nil
}

func (m *memory) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return m.Restore(key, newRevocation(at, reason))
}

func (m *memory) Restore(key curve.PublicKey, r *Revocation) error {
	if err := r.check(); err != nil {
		return err
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
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, e, ok := m.liftedLocked(key, at, reason)
	m.revokeLocked(key, r)
	if ok {
		if identities, err := m.prepareLocked([]Entry{e}); err == nil {
			m.setLocked(key, identities[0])
		}
	}
	return nil
}

// liftedLocked returns the revocation of a key as it is once lifted. The key needn't be
// revoked here: another store may have revoked it, and those who remember that look
// here. e is the identity to put back, if ok. If no revocation was in force there is
// nothing to put back: the key's identity was put or removed since.
func (m *memory) liftedLocked(key curve.PublicKey, at time.Time, reason string) (r *Revocation, e Entry, ok bool) {
	var lifted Revocation
	if old, found := m.revocations.get(key); found {
		lifted = *old
		if old.InForce() {
			e, ok = old.entry(key)
		}
	}
	earliest := lifted.Time // later than the clock says, if that was set back
	if !lifted.Lifted.IsZero() {
		earliest = lifted.Lifted.Add(time.Second)
	}
	lifted.Lifted, lifted.LiftedReason = at.UTC().Truncate(time.Second), reason
	if lifted.Lifted.Before(earliest) {
		lifted.Lifted = earliest
	}
	return &lifted, e, ok
}

func notFound(key curve.PublicKey) error { return fmt.Errorf("keystore: %v: %w", key, ErrNotFound) }

func (m *memory) Reload() error { return nil }

func (m *memory) Watch(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (m *memory) Close() error { return nil }

// outage is that what a store is read from can't be read.
type outage struct {
	since    time.Time // since when it isn't there
	reported string    // what is in the log
}

// note takes in what a look led to, and tells of it once. gone means that there is
// nothing any more, and no exchange that takes a moment. again is when to look once
// more, or 0.
func (o *outage) note(log *slog.Logger, name string, err error) (gone bool, again time.Duration) {
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
	what := "keystore can't be read: what was known stays in force"
	if gone {
		what = "keystore is gone: no one is known until it is back"
	}
	switch {
	case err == nil && o.reported != "":
		log.Info("keystore can be read again", "keystore", name)
		o.reported = ""
	case err != nil && o.reported != what+err.Error():
		o.reported = what + err.Error()
		log.Error(what, "err", err)
	}
	return gone, again
}

// forget knows no identity any more, as after a start without what it was read from.
// What is revoked stays so.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.identities.all() {
		m.setLocked(key, nil)
	}
}

// fill puts many identities in force in a store that no one reads yet, whose
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
