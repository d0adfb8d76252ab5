package policy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
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
	// errState means that a state file is not as this package wrote it.
	errState = errors.New("damaged state: it records which keys were revoked, so no client is admitted without it. Restore it, or delete it to forget them")
	// ErrStateWrite means that the state file can't be written.
	ErrStateWrite = errors.New("writing the state failed")
	// errOldList means that a revocation list is older than another of its authority.
	errOldList = errors.New("older than the newest revocation list of its authority")
)

// StateNone, as Options.State, keeps the state in memory only.
const StateNone = "none"

// memory holds what a policy never forgets: the keys that were revoked in any of its
// keystores and, for each authority, the time of its newest revocation list and what any
// of its lists revoked. A lost record, a restored backup, or a revocation list that is
// older or was started again therefore doesn't admit a revoked key. With a file, this
// holds across restarts.
type memory struct {
	path     string // "" without a file
	readOnly bool   // the file is never written

	current atomic.Pointer[state] // replaced, never changed

	mu    sync.Mutex // held to change current
	saved bool       // current is on disk
}

// state is the content of a state file.
type state struct {
	decoys [decoyKeySize]byte // zero until an account has a verifier; in the head of the file

	Revoked map[curve.PublicKey]keystore.RevokedKey `json:"revoked,omitempty"`
	Lists   map[cert.AuthorityKey]seenList          `json:"lists,omitempty"`
}

// seenList describes the newest list of an authority, and holds the revocations of all
// its lists.
type seenList struct {
	Issued  time.Time                  `json:"issued"`
	Count   int                        `json:"count"`
	Keys    map[curve.PublicKey]listed `json:"keys,omitempty"`
	Serials map[uint64]listed          `json:"serials,omitempty"`
}

// listed is a revocation on a list.
type listed struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason,omitempty"`
}

// String returns the time and the reason, for people.
func (l listed) String() string {
	return (&keystore.RevokedKey{Time: l.Time, Reason: l.Reason}).String()
}

// lost returns the number of revocations in l that another list of the same authority
// lacks.
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

// with returns l together with the revocations of another list of the authority.
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

// and merges two lists of an authority.
func (l seenList) and(other seenList) seenList {
	both := l
	if other.isNewer(l) {
		both.Issued, both.Count = other.Issued, other.Count
	}
	both.Keys, both.Serials = union(l.Keys, other.Keys), union(l.Serials, other.Serials)
	return both
}

// union returns the entries of both maps. For a key in both, it returns the entry of a.
func union[K comparable](a, b map[K]listed) map[K]listed {
	if len(a) == 0 {
		return b
	}
	both := a
	for k, v := range b {
		if _, ok := both[k]; ok {
			continue
		}
		if len(both) == len(a) { // copied at the first change, because a is in use
			both = maps.Clone(a)
		}
		both[k] = v
	}
	return both
}

// stateHead is the first line of a state file.
type stateHead struct {
	Version int    `json:"zcurve_state"`
	Sum     string `json:"sum"`              // SHA-256 of the rest of the file, in hexadecimal
	Decoys  []byte `json:"decoys,omitempty"` // here, because earlier versions ignore only names in the head
}

// decoyKeySize is the size in bytes of the key from which the salts of unknown logins are
// derived.
const decoyKeySize = 32

// maxState is the size in bytes of the largest state file.
const maxState = 1 << 30

// statePatience is how long to wait for another process that is writing the state file,
// and stateRetry the time between two attempts.
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

// readState reads a state file. A missing file is an empty state.
func readState(path string) (*state, error) {
	r := new(state)
	if path == "" {
		return r, nil
	}
	text, _, err := follow.ReadOwn(path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Lstat(path); errors.Is(gone, fs.ErrNotExist) { // but not for a dangling link
			return r, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("policy: state: %w", err)
	}
	if r, err = parseState(text); err != nil {
		return nil, fmt.Errorf("policy: %s: %w", path, err)
	}
	return r, nil
}

// parseState parses the content of a state file. It returns errState if that is damaged.
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
	if dec.Decode(r) != nil || dec.More() || len(h.Decoys) != 0 && len(h.Decoys) != decoyKeySize {
		return nil, errState
	}
	copy(r.decoys[:], h.Decoys)
	return r, nil
}

// revocation returns the remembered revocation of a key, if any.
func (m *memory) revocation(key curve.PublicKey) (*keystore.RevokedKey, bool) {
	revoked := m.current.Load().Revoked
	if _, ok := revoked[key]; !ok { // nearly always, and copies nothing
		return nil, false
	}
	r := revoked[key]
	return &r, true
}

// listed returns the remembered revocation of a certificate on an authority's list, if
// any: by the key, or by the serial number if that authority signed the certificate.
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

// checkList returns errOldList if a list is older than the newest one of its authority,
// unless other lists of the same domain include the newest.
func (r *state) checkList(l *cert.RevocationList, others []listRule) error {
	seen := r.Lists[l.Authority]
	for _, other := range others {
		if o := other.list; o.Authority == l.Authority && !seen.isNewer(seenList{Issued: o.Issued, Count: o.Len()}) {
			return nil
		}
	}
	return fmt.Errorf("%w: issued %s, the newest %s: restore the newest, or renew it with \"zcert revoke\"", errOldList,
		l.Issued.Format(time.RFC3339), seen.Issued.Format(time.RFC3339))
}

// needDecoys makes the key of decoys, unless there is one. It is random: a key that depends
// on the accounts would change the salts of unknown logins when an account changes.
func (m *memory) needDecoys() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := *m.current.Load(); now.decoys == ([decoyKeySize]byte{}) {
		rand.Read(now.decoys[:])
		m.current.Store(&now)
		m.saved = false
	}
}

// isSaved reports whether the current state is on disk.
func (m *memory) isSaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved
}

// learn remembers the revocations in stores and lists. A key is forgotten only if its
// revocation was lifted later and no store has it revoked. If it returns ErrStateWrite,
// the change applies nevertheless, and the next call writes it.
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

// saveLocked writes the file, and merges in what another process has written to it.
func (m *memory) saveLocked(stores []keystore.Store, lists []*cert.RevocationList) error {
	dir, base := filepath.Split(m.path)
	ctx, cancel := context.WithTimeout(context.Background(), statePatience)
	defer cancel()
	lock := flock.New(dir + "." + base + ".lock")
	if ok, err := lock.TryLockContext(ctx, stateRetry); errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: another process is still writing it after %v", m.path, statePatience)
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
	h := stateHead{Version: 1, Sum: hex.EncodeToString(sum[:])}
	if r.decoys != ([decoyKeySize]byte{}) {
		h.Decoys = r.decoys[:]
	}
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return atomicfile.Replace(atomicfile.File{Path: m.path, Data: append(append(head, '\n'), body...), Mode: 0o600})
}

// and merges two states. The result has every key that is revoked in either and, for each
// authority, the newer list and the revocations of all lists. It has the key of r for
// decoys, if there is one.
func (r *state) and(other *state) *state {
	both := &state{decoys: cmp.Or(r.decoys, other.decoys), Revoked: maps.Clone(other.Revoked), Lists: maps.Clone(other.Lists)}
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

// isNewer reports whether a list is newer than another of the same authority.
func (l seenList) isNewer(other seenList) bool {
	return l.Issued.After(other.Issued) || l.Issued.Equal(other.Issued) && l.Count > other.Count
}

// with returns the state after learning from stores and lists.
func (r *state) with(stores []keystore.Store, lists []*cert.RevocationList) (next *state, changed bool) {
	next = &state{decoys: r.decoys, Revoked: maps.Clone(r.Revoked), Lists: maps.Clone(r.Lists)}
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
			if old, ok := next.Revoked[key]; !ok || kept.Time.After(old.Time) { // an earlier lifting doesn't count
				if kept.Time.IsZero() { // the record is damaged
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
		// The key was lifted in one store and is still revoked in another. If the record
		// in the other is lost, the lifting must not count.
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

// isRevoked reports whether a key is revoked in a store.
func isRevoked(stores []keystore.Store, key curve.PublicKey) bool {
	for _, s := range stores {
		if _, ok := s.Revocation(key); ok {
			return true
		}
	}
	return false
}
