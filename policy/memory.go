package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore"
)

var (
	// errState means that a state file isn't what this package wrote.
	errState = errors.New("damaged state: it says which keys were revoked, so no client is admitted without it. Restore it, or remove it to forget them")
	// ErrStateWrite means that a state file can't be written.
	ErrStateWrite = errors.New("writing the state failed")
	// errOldList means that a revocation list is older than one that was seen.
	errOldList = errors.New("older than the newest revocation list that was seen")
)

// StateNone as Options.State keeps the state in memory only.
const StateNone = "none"

// memory is what a policy knows for good: which keys were revoked in any of its
// keystores, and of each authority the newest revocation list and all that any had on
// it. A record that is lost, a backup that is restored, an older list or one that was
// begun anew doesn't bring a key back, also after a restart if there is a file.
type memory struct {
	path     string // "" without a file
	readOnly bool   // the file is not written

	current atomic.Pointer[state] // never changed, only exchanged

	mu    sync.Mutex // held to change current
	saved bool       // current is on the disk
}

// state is what a state file holds.
type state struct {
	Revoked map[curve.PublicKey]keystore.RevokedKey `json:"revoked,omitempty"`
	Lists   map[cert.AuthorityKey]seenList          `json:"lists,omitempty"`
}

// seenList is the newest list of an authority, and what any of its lists had on it.
type seenList struct {
	Issued  time.Time                  `json:"issued"`
	Count   int                        `json:"count"`
	Keys    map[curve.PublicKey]listed `json:"keys,omitempty"`
	Serials map[uint64]listed          `json:"serials,omitempty"`
}

// listed is a revocation that was on a list.
type listed struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason,omitempty"`
}

// String says when and why, for people.
func (l listed) String() string {
	return (&keystore.RevokedKey{Time: l.Time, Reason: l.Reason}).String()
}

// lost returns how many revocations a list of the same authority doesn't have.
func (l seenList) lost(list *cert.RevocationList) (n int) {
	for key := range l.Keys {
		if _, ok := list.Find(&cert.Certificate{Public: key}); !ok {
			n++
		}
	}
	for serial := range l.Serials {
		if _, ok := list.Find(&cert.Certificate{Serial: serial, Authority: list.Authority}); !ok {
			n++
		}
	}
	return n
}

// with is what is known once another list of the authority was seen.
func (l seenList) with(list *cert.RevocationList) (next seenList, changed bool) {
	next = l
	if now := (seenList{Issued: list.Issued, Count: list.Len()}); now.isNewer(l) {
		next.Issued, next.Count, changed = now.Issued, now.Count, true
	}
	added := seenList{Keys: map[curve.PublicKey]listed{}, Serials: map[uint64]listed{}}
	for r := range list.All() {
		if r.Serial != 0 {
			added.Serials[r.Serial] = listed{r.Time, r.Reason}
		} else {
			added.Keys[r.Key] = listed{r.Time, r.Reason}
		}
	}
	next = next.and(added)
	return next, changed || len(next.Keys) != len(l.Keys) || len(next.Serials) != len(l.Serials)
}

// and is what two know of an authority.
func (l seenList) and(other seenList) seenList {
	both := l
	if other.isNewer(l) {
		both.Issued, both.Count = other.Issued, other.Count
	}
	both.Keys, both.Serials = union(l.Keys, other.Keys), union(l.Serials, other.Serials)
	return both
}

// union is a map with what either has; what both have is as the first has it.
func union[K comparable](a, b map[K]listed) map[K]listed {
	if len(a) == 0 {
		return b
	}
	both := a
	for k, v := range b {
		if _, ok := both[k]; ok {
			continue
		}
		if len(both) == len(a) { // not changed yet: others read a
			both = maps.Clone(a)
		}
		both[k] = v
	}
	return both
}

// stateHead is the first line of a state file.
type stateHead struct {
	Version int    `json:"zcurve_state"`
	Sum     string `json:"sum"` // SHA-256 of what follows, in hexadecimal
}

// maxState is the size in octets of the largest state file.
const maxState = 1 << 30

// statePatience is how long another process that writes a state file is waited for,
// and stateRetry how often to look whether it is done.
const (
	statePatience = 5 * time.Second
	stateRetry    = 10 * time.Millisecond
)

func openMemory(path string) (*memory, error) {
	m := &memory{path: path, saved: true}
	r, err := readState(path)
	if err != nil {
		return nil, err
	}
	m.current.Store(r)
	return m, nil
}

// readState reads a state file. One that isn't there holds nothing.
func readState(path string) (*state, error) {
	r := new(state)
	if path == "" {
		return r, nil
	}
	text, _, err := follow.ReadOwn(path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Lstat(path); errors.Is(gone, fs.ErrNotExist) { // not a link that leads nowhere
			return r, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("policy: reading the state failed: %w", err)
	}
	if r, err = parseState(text); err != nil {
		return nil, fmt.Errorf("policy: %s: %w", path, err)
	}
	return r, nil
}

// parseState reads what is in a state file. The error is errState.
func parseState(text []byte) (*state, error) {
	head, body, _ := bytes.Cut(text, []byte("\n"))
	var h stateHead
	r := new(state)
	sum := sha256.Sum256(body)
	if json.Unmarshal(head, &h) != nil || h.Version != 1 || h.Sum != hex.EncodeToString(sum[:]) {
		return nil, errState
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if dec.Decode(r) != nil || dec.More() {
		return nil, errState
	}
	return r, nil
}

// revocation returns what is remembered of a key that was revoked.
func (m *memory) revocation(key curve.PublicKey) (*keystore.RevokedKey, bool) {
	revoked := m.current.Load().Revoked
	if _, ok := revoked[key]; !ok { // nearly always, and then nothing is copied
		return nil, false
	}
	r := revoked[key]
	return &r, true
}

// listed returns what is remembered of a certificate that was on a list of an authority:
// by its key or, if that authority signed it, by its serial number.
func (m *memory) listed(authority cert.AuthorityKey, c *cert.Certificate) (listed, bool) {
	seen, ok := m.current.Load().Lists[authority]
	if !ok {
		return listed{}, false
	}
	l, ok := seen.Keys[c.Public]
	if !ok && c.Serial != 0 && c.Authority == authority {
		l, ok = seen.Serials[c.Serial]
	}
	return l, ok
}

// checkList refuses a list that is older than the newest one of its authority that was
// seen, unless that one is among the others of the same rules.
func (r *state) checkList(l *cert.RevocationList, others []listRule) error {
	seen := r.Lists[l.Authority]
	for _, other := range others {
		if o := other.list; o.Authority == l.Authority && !seen.isNewer(seenList{Issued: o.Issued, Count: o.Len()}) {
			return nil
		}
	}
	return fmt.Errorf("%w: issued %s, and that %s: put that one back, or renew it with \"zcert revoke\"", errOldList,
		l.Issued.Format(time.RFC3339), seen.Issued.Format(time.RFC3339))
}

// isSaved reports whether all that was learnt is on the disk.
func (m *memory) isSaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved
}

// learn remembers what stores and lists say. A key is forgotten only if its revocation
// was lifted later, when no store had it revoked any more. The error is that of writing the
// file: what was learnt is in force all the same, and written with the next call.
func (m *memory) learn(stores []keystore.Store, lists []*cert.RevocationList) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, changed := m.current.Load().with(stores, lists)
	if !changed && m.saved {
		return nil
	}
	m.current.Store(next)
	m.saved = false
	if m.path != "" && !m.readOnly {
		if err := m.saveLocked(stores, lists); err != nil {
			return fmt.Errorf("policy: %w: %w", ErrStateWrite, err)
		}
	}
	m.saved = true
	return nil
}

// saveLocked writes the file, with what another process has put there meanwhile.
func (m *memory) saveLocked(stores []keystore.Store, lists []*cert.RevocationList) error {
	dir, base := filepath.Split(m.path)
	ctx, cancel := context.WithTimeout(context.Background(), statePatience)
	defer cancel()
	lock := flock.New(dir + "." + base + ".lock")
	if ok, err := lock.TryLockContext(ctx, stateRetry); errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: another process has been writing it since %v", m.path, statePatience)
	} else if !ok || err != nil {
		return fmt.Errorf("locking %s failed: %w", m.path, err)
	}
	defer lock.Unlock()
	r, err := readState(m.path)
	if err != nil {
		return err
	}
	r, _ = r.and(m.current.Load()).with(stores, lists)
	m.current.Store(r)
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	head, err := json.Marshal(stateHead{1, hex.EncodeToString(sum[:])})
	if err != nil {
		return err
	}
	return atomicfile.Replace(atomicfile.File{Path: m.path, Data: append(append(head, '\n'), body...), Mode: 0o600})
}

// and is what two states know: every key that one of them has revoked, and of each
// authority the newer list and all that was on any.
func (r *state) and(other *state) *state {
	both := &state{Revoked: maps.Clone(other.Revoked), Lists: maps.Clone(other.Lists)}
	if both.Revoked == nil {
		both.Revoked = map[curve.PublicKey]keystore.RevokedKey{}
	}
	if both.Lists == nil {
		both.Lists = map[cert.AuthorityKey]seenList{}
	}
	for key, rev := range r.Revoked {
		if old, ok := both.Revoked[key]; !ok || rev.Time.After(old.Time) {
			both.Revoked[key] = rev
		}
	}
	for authority, l := range r.Lists {
		both.Lists[authority] = both.Lists[authority].and(l)
	}
	return both
}

// isNewer reports whether a list is newer than another of its authority.
func (l seenList) isNewer(other seenList) bool {
	return l.Issued.After(other.Issued) || l.Issued.Equal(other.Issued) && l.Count > other.Count
}

// with is what is remembered once stores and lists are known too.
func (r *state) with(stores []keystore.Store, lists []*cert.RevocationList) (next *state, changed bool) {
	next = &state{Revoked: maps.Clone(r.Revoked), Lists: maps.Clone(r.Lists)}
	if next.Revoked == nil {
		next.Revoked = map[curve.PublicKey]keystore.RevokedKey{}
	}
	if next.Lists == nil {
		next.Lists = map[cert.AuthorityKey]seenList{}
	}
	lifted := map[curve.PublicKey]time.Time{}
	for _, s := range stores {
		for key, rev := range s.Revocations() {
			if !rev.InForce() {
				if rev.Lifted.After(lifted[key]) {
					lifted[key] = rev.Lifted
				}
				continue
			}
			kept := *rev
			kept.Certificate = ""
			if old, ok := next.Revoked[key]; !ok || kept.Time.After(old.Time) { // what was lifted before it doesn't lift it
				if kept.Time.IsZero() { // its record can't be read
					kept.Time = time.Now().UTC().Truncate(time.Second)
				}
				next.Revoked[key], changed = kept, true
			}
		}
	}
	for key, at := range lifted {
		rev, ok := next.Revoked[key]
		if !ok || at.Before(rev.Time) {
			continue
		}
		if changed = true; !isRevoked(stores, key) {
			delete(next.Revoked, key)
			continue
		}
		// It was lifted in another store than this one. That must not count once the
		// record is lost.
		rev.Time = at.Add(time.Second)
		next.Revoked[key] = rev
	}
	for _, l := range lists {
		if seen, isNew := next.Lists[l.Authority].with(l); isNew {
			next.Lists[l.Authority], changed = seen, true
		}
	}
	return next, changed
}

// isRevoked reports whether a store has a key revoked.
func isRevoked(stores []keystore.Store, key curve.PublicKey) bool {
	for _, s := range stores {
		if _, ok := s.Revocation(key); ok {
			return true
		}
	}
	return false
}
