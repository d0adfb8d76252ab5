package policy_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// kept is a policy with two directories, which a test changes.
type kept struct {
	t             *testing.T
	dir           string
	alice         *cert.Certificate
	first, second keystore.Store
	now           time.Time
	p             *policy.Policy
}

func newKept(t *testing.T) *kept {
	k := &kept{t: t, dir: t.TempDir(), alice: scenario.Named("alice"), now: time.Now().Add(-time.Hour).Truncate(time.Second)}
	for name, s := range map[string]*keystore.Store{"first": &k.first, "second": &k.second} {
		path := filepath.Join(k.dir, name)
		ztest.Must(t, keystore.Create(path))
		var err error
		*s, err = keystore.Open(path, nil)
		ztest.Must(t, err)
	}
	ztest.Must(t, k.first.Put(&keystore.Identity{Name: "alice", Certificate: k.alice}),
		os.WriteFile(filepath.Join(k.dir, "policy.zpl"), []byte("security\n    curve = 1\n        any = 1\n        keystore = first\n        keystore = second\n"), 0o600))
	k.start()
	t.Cleanup(k.stop)
	return k
}

func (k *kept) start() {
	k.t.Helper()
	var err error
	k.p, err = policy.Load(filepath.Join(k.dir, "policy.zpl"), policy.Options{})
	ztest.Must(k.t, err)
}

func (k *kept) stop() {
	if k.p != nil {
		k.p.Close()
	}
	k.p = nil
}

func (k *kept) revoke(s keystore.Store) {
	k.t.Helper()
	k.now = k.now.Add(time.Minute)
	ztest.Must(k.t, s.Revoke(k.alice.Public, k.now, ""))
}

func (k *kept) unrevoke(s keystore.Store) {
	k.t.Helper()
	k.now = k.now.Add(time.Minute)
	ztest.Must(k.t, s.Unrevoke(k.alice.Public, k.now, ""))
}

// record returns the file of the revocation in the first directory.
func (k *kept) record() string {
	return filepath.Join(k.dir, "first", ".revoked", hex.EncodeToString(k.alice.Public[:]))
}

func (k *kept) admits() bool {
	return k.p.Handle(k.t.Context(), ask("", "", zap.Curve, string(k.alice.Public[:]))).Status == zap.StatusOK
}

// TestRevokedAgain: a key that is revoked, lifted and revoked again while the policy is
// stopped stays refused, even if a backup from in between is restored.
func TestRevokedAgain(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.revoke(k.first)
	ztest.Must(t, k.p.Reload())
	k.stop()
	k.unrevoke(k.first)
	lifted, err := os.ReadFile(k.record())
	ztest.Must(t, err)
	k.revoke(k.first)
	k.start()
	ztest.WriteFile(t, k.record(), string(lifted))
	ztest.Must(t, k.p.Reload())
	if k.admits() {
		t.Error("admitted by a backup")
	}
	k.stop()
	if k.start(); k.admits() {
		t.Error("admitted by a backup, after a restart")
	}
	k.unrevoke(k.first)
	if ztest.Must(t, k.p.Reload()); !k.admits() {
		t.Error("not admitted although the last revocation was lifted")
	}
}

// TestLiftedElsewhere: a revocation is lifted in its own store. Lifting it in another
// store doesn't count once the record is lost.
func TestLiftedElsewhere(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.revoke(k.first)
	k.unrevoke(k.second)
	ztest.Must(t, k.p.Reload(), os.Remove(k.record()), k.p.Reload())
	if k.admits() {
		t.Error("admitted")
	}
	k.stop()
	if k.start(); k.admits() {
		t.Error("admitted after a restart")
	}
	k.unrevoke(k.first)
	if ztest.Must(t, k.p.Reload()); !k.admits() {
		t.Error("not admitted although it was lifted")
	}
}

// TestDamagedWhileStopped: a key that is revoked while the policy is stopped, and whose
// record is damaged, stays refused even if an older record is restored.
func TestDamagedWhileStopped(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.revoke(k.first)
	ztest.Must(t, k.p.Reload())
	k.stop()
	k.unrevoke(k.first)
	lifted, err := os.ReadFile(k.record())
	ztest.Must(t, err)
	k.revoke(k.first)
	ztest.WriteFile(t, k.record(), "damaged")
	k.start()
	ztest.WriteFile(t, k.record(), string(lifted))
	ztest.Must(t, k.p.Reload())
	if k.admits() {
		t.Error("admitted")
	}
}
