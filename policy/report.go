package policy

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore"
)

const (
	// expireSoon is how long before its certificate expires Expiring returns an identity.
	expireSoon = 30 * 24 * time.Hour
	// maxExpiring is the number of identities that Expiring returns at most.
	maxExpiring = 1000
)

// A Report describes a current policy, for the operator. Plain data.
type Report struct {
	File    string    // as it was given to Load; "" for rules of a program
	Digest  string    // SHA-256 of the file, or of the text of the rules, in hexadecimal
	Since   time.Time // when this text first applied
	Loads   Loads
	Domains []string // sorted; "*" stands for all others
	Stores  []StoreReport
	Lists   []ListReport
	Limits  LimitHits
}

// Loads count how often the policy or its lists were read: by Load or New, by Reload, and by Watch
// after they have changed.
type Loads struct {
	Applied  uint64    // Reload counts also if nothing has changed
	Rejected uint64    // a version that is tried again for the same error counts once
	Last     time.Time // when a version was last applied
	Failed   string    // why a newer version was not applied, or ""
}

// note counts an attempt, and returns its error.
func (l *Loads) note(err error) error {
	switch {
	case err == nil:
		l.Applied++
		l.Last, l.Failed = time.Now(), ""
	case err.Error() != l.Failed:
		l.Rejected++
		l.Failed = err.Error()
	}
	return err
}

// StoreReport describes a keystore of a policy.
type StoreReport struct {
	URL        string // "" for a keystore of the program
	Identities int    // whose key isn't revoked
	Revoked    int    // keys
	Failed     string // why it can't be read at the moment, or ""
}

// ListReport describes a revocation list of a policy.
type ListReport struct {
	File      string
	Authority cert.AuthorityKey // that signed it
	Expires   time.Time         // from then on, every certificate of the authority is refused
}

// Expiring is an identity whose certificate expires soon.
type Expiring struct {
	Name    string
	Key     curve.PublicKey
	URL     string // of the keystore; "" for one of the program
	Expires time.Time
}

// LimitHits count the clients that were not admitted because of a limit.
type LimitHits struct {
	Failures uint64 // too many failures from the address
	Logins   uint64 // too many simultaneous logins from the address or the service
}

// Report returns a description of the current policy. It is quick, whatever the number of
// identities. The zero value returns an empty Report.
func (p *Policy) Report() Report {
	s := p.current.Load()
	if s == nil {
		return Report{}
	}
	p.mu.Lock()
	r := Report{File: p.file, Loads: p.loads}
	p.mu.Unlock()
	r.Digest, r.Since = hex.EncodeToString(s.digest[:]), s.since
	r.Domains = slices.Sorted(maps.Keys(s.domains))
	for _, l := range s.lists {
		one := ListReport{l.path, l.list.Authority, l.list.Expires}
		if !slices.Contains(r.Lists, one) {
			r.Lists = append(r.Lists, one)
		}
	}
	for _, store := range s.stores {
		one := StoreReport{URL: s.urls[store], Identities: store.Len()}
		for _, revoked := range store.Revocations() {
			if revoked.InForce() {
				one.Revoked++
			}
		}
		if err := store.Err(); err != nil {
			one.Failed = strings.TrimPrefix(err.Error(), "keystore: ")
		}
		r.Stores = append(r.Stores, one)
	}
	s.limiter.mu.Lock()
	r.Limits = s.limiter.hits
	s.limiter.mu.Unlock()
	return r
}

// Expiring returns the identities whose last certificate expires within 30 days, the next
// first: at most 1,000 of them, and how many there are. It looks at every identity, which
// takes up to a tenth of a second for 100,000.
func (p *Policy) Expiring() (next []Expiring, all int) {
	s := p.current.Load()
	if s == nil {
		return nil, 0
	}
	now := time.Now()
	latest := now.Add(expireSoon) // of those that can still be among the first
	for _, store := range s.stores {
		for id := range store.All() {
			end := expiry(id)
			if left := end.Sub(now); end.IsZero() || left <= 0 || left > expireSoon {
				continue
			}
			if all++; end.After(latest) {
				continue
			}
			next = append(next, Expiring{id.Name, id.Key(), s.urls[store], end})
			if len(next) == 2*maxExpiring {
				slices.SortFunc(next, compareExpiring)
				next = next[:maxExpiring]
				latest = next[maxExpiring-1].Expires
			}
		}
	}
	slices.SortFunc(next, compareExpiring)
	return next[:min(len(next), maxExpiring)], all
}

// expiry returns when the last of an identity's certificates expires, or zero if one never
// does.
func expiry(id *keystore.Identity) (end time.Time) {
	end = id.Certificate.Validity.NotAfter
	for _, other := range id.Others {
		if after := other.Validity.NotAfter; after.IsZero() || end.IsZero() {
			return time.Time{}
		} else if after.After(end) {
			end = after
		}
	}
	return end
}

func compareExpiring(a, b Expiring) int {
	if c := a.Expires.Compare(b.Expires); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// Names returns the names under which the policy's keystores know a key, also in domains
// that don't admit it, and of a key that is revoked. It doesn't ask a Reader of the program
// that isn't a keystore.Store.
func (p *Policy) Names(key curve.PublicKey) (names []string) {
	s := p.current.Load()
	if s == nil {
		return nil
	}
	for _, store := range s.stores {
		if id, ok := store.Lookup(key); ok {
			names = append(names, id.Name)
		} else if r, ok := store.Revocation(key); ok && r.Name != "" {
			names = append(names, r.Name)
		}
	}
	if r, ok := p.memory.revocation(key); ok && r.Name != "" {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
