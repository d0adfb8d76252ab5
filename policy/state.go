package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore"
)

var (
	// errState means that a state file is not as this package wrote it.
	errState = errors.New("damaged state: it records which keys were revoked, so no client is admitted without it. Restore it, or delete it to forget them")
	// errOldList means that a revocation list is older than another of its authority.
	errOldList = errors.New("older than the newest revocation list of its authority")
)

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

// isNewer reports whether a list is newer than another of the same authority.
func (l seenList) isNewer(other seenList) bool {
	return l.Issued.After(other.Issued) || l.Issued.Equal(other.Issued) && l.Count > other.Count
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

// text returns the content of the state's file.
func (r *state) text() ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	h := stateHead{Version: 1, Sum: hex.EncodeToString(sum[:])}
	if r.decoys != ([decoyKeySize]byte{}) {
		h.Decoys = r.decoys[:]
	}
	head, err := json.Marshal(h)
	return slices.Concat(head, []byte("\n"), body), err
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
