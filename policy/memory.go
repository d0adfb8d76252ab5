package policy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/keystore"
)

// ErrStateWrite means that the state file can't be written.
var ErrStateWrite = errors.New("writing the state failed")

// StateNone, as Options.State, keeps the state in memory only.
const StateNone = "none"

// memory holds what a policy never forgets: the keys that were revoked in any of its
// keystores and, for each authority, the time of its newest revocation list and what any
// of its lists revoked. A lost record, a restored backup, or a revocation list that is
// older or was started again therefore doesn't admit a revoked key. With a file, this
// holds across restarts. It also holds the key of decoys.
type memory struct {
	path     string // "" without a file
	readOnly bool   // the file is never written

	current atomic.Pointer[state]    // replaced, never changed
	learned func(before, now *state) // called when current was replaced; nil for none

	mu    sync.Mutex // held to change current
	saved bool       // current is on disk
}

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
	before := m.current.Load()
	next, changed := before.with(stores, lists)
	if !changed && m.saved {
		return nil
	}
	if m.learned != nil {
		defer func() { m.learned(before, m.current.Load()) }()
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
	text, err := r.text()
	if err != nil {
		return err
	}
	return atomicfile.Replace(atomicfile.File{Path: m.path, Data: text, Mode: 0o600})
}
