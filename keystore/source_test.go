package keystore_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// exported returns the export of a store.
func exported(t testing.TB, s keystore.Store) string {
	t.Helper()
	revocations := map[curve.PublicKey]*keystore.RevokedKey{}
	for key, r := range s.Revocations() {
		revocations[key] = r
	}
	var identities []*keystore.Identity
	for id := range s.All() {
		identities = append(identities, id)
	}
	var out strings.Builder
	ztest.Must(t, keystore.Export(&out, identities, revocations))
	return out.String()
}

// exportOf returns the export of a store with these certificates, the last of which is
// revoked.
func exportOf(t testing.TB, certificates ...*cert.Certificate) string {
	t.Helper()
	s, _ := open(t, "mem:")
	for _, c := range certificates {
		ztest.Must(t, s.Put(put(c, "group")))
	}
	ztest.Must(t, s.Revoke(certificates[len(certificates)-1].Public, at, "stolen"))
	return exported(t, s)
}

// TestFileFollowed: a file: store applies changes to its file. Removed identities are
// removed, but revocations stay. An invalid or incomplete text changes nothing.
func TestFileFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clients")
	alice, bob, carol := generate(t, "alice"), generate(t, "bob"), generate(t, "carol")
	ztest.WriteFile(t, path, exportOf(t, alice, bob, carol))
	s, log := open(t, "file:"+path)
	ztest.Background(t, s.Watch)
	if _, revoked := s.Revocation(carol.Public); !revoked || knows(s, carol.Public) || !knows(s, alice.Public) {
		t.Fatal("the file wasn't read")
	}
	ztest.WriteFile(t, path, exportOf(t, bob, alice))
	ztest.Wait(t, "revoked", func() bool { _, revoked := s.Revocation(alice.Public); return revoked && !knows(s, alice.Public) })
	next := exportOf(t, alice, carol, generate(t, "dave"))
	ztest.WriteFile(t, path, next[:len(next)-20])
	ztest.Wait(t, "told", func() bool { return log.Count("level=ERROR", "keeping the last known identities") == 1 })
	if !knows(s, bob.Public) {
		t.Error("half a file has changed something")
	}
	ztest.WriteFile(t, path, next)
	ztest.Wait(t, "fixed", func() bool { return !knows(s, bob.Public) && log.Count("keystore readable again") == 1 })
	if knows(s, alice.Public) || knows(s, carol.Public) {
		t.Error("another file brings back a revoked key")
	}
	if log.Count("level=ERROR", "revocation record removed: still refusing the key") == 0 {
		t.Errorf("log:\n%s", log)
	}
}

// TestGone: if a store's file or directory is removed, all its identities are removed, as
// after a restart. Revocations stay. When the store is back, the identities are, too.
func TestGone(t *testing.T) {
	t.Parallel()
	alice, bob := generate(t, "alice"), generate(t, "bob")
	for _, kind := range []string{"file", "bolt", "dir"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "clients")
			url := kind + ":" + path
			if kind == "file" {
				ztest.WriteFile(t, path, exportOf(t, alice, bob))
			} else {
				ztest.Must(t, keystore.Create(url))
				s, _ := open(t, url)
				ztest.Must(t, s.Put(put(alice), put(bob)), s.Revoke(bob.Public, at, ""), s.Close())
			}
			s, log := open(t, url)
			ztest.Background(t, s.Watch)
			ztest.Must(t, os.Rename(path, path+".away"))
			ztest.Wait(t, "gone", func() bool { return !knows(s, alice.Public) })
			ztest.Wait(t, "told", func() bool { return log.Count("level=ERROR", "keystore missing") == 1 })
			ztest.Must(t, os.Rename(path+".away", path))
			ztest.Wait(t, "back", func() bool { return knows(s, alice.Public) })
			if _, revoked := s.Revocation(bob.Public); !revoked || knows(s, bob.Public) {
				t.Error("bob is back")
			}
		})
	}
}

// TestFileBeingWritten: a file: store doesn't read its file while another process writes it.
func TestFileBeingWritten(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux reports that a file is open for writing")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "clients")
	alice, bob := generate(t, "alice"), generate(t, "bob")
	other := generate(t, "other")
	ztest.WriteFile(t, path, exportOf(t, alice, other))
	ztest.WriteFile(t, path+".2", exportOf(t, bob, other))
	text, err := os.ReadFile(path + ".2")
	ztest.Must(t, err)
	s, log := open(t, "file:"+path)
	ztest.Background(t, s.Watch)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	ztest.Must(t, err)
	defer f.Close()
	_, err = f.Write(text[:len(text)/2])
	ztest.Must(t, err)
	another, _ := open(t, "file:"+path+".2")
	ztest.Background(t, another.Watch)
	ztest.WriteFile(t, path+".2", exportOf(t, alice, other)) // read after at least one poll of the other
	ztest.Wait(t, "another file", func() bool { return knows(another, alice.Public) })
	if !knows(s, alice.Public) || log.Count("level=ERROR") > 0 {
		t.Errorf("half a file was read, log:\n%s", log)
	}
	_, err = f.Write(text[len(text)/2:])
	ztest.Must(t, err, f.Close())
	ztest.Wait(t, "the whole file", func() bool { return knows(s, bob.Public) && !knows(s, alice.Public) })
}

// TestBackup: a backup contains groups and revocations, including lifted ones. Restoring
// it does not bring back a revoked key.
func TestBackup(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice, bob, carol := generate(t, "alice"), generate(t, "bob"), generate(t, "carol")
		ztest.Must(t, s.Put(put(alice, "fx", "fx/desk"), put(bob, "fx"), put(carol)))
		ztest.Must(t, s.Revoke(bob.Public, at, "stolen"), s.Revoke(carol.Public, at, "lost"), s.Unrevoke(carol.Public, at, "found"))
		backup := exported(t, s)
		ids, revocations, err := keystore.Import([]byte(backup))
		ztest.Must(t, err)
		if len(ids) != 2 || len(revocations) != 2 {
			t.Fatalf("%d identities, %d revocations of:\n%s", len(ids), len(revocations), backup)
		}
		if r := revocations[carol.Public]; r.InForce() || r.LiftedReason != "found" || r.Reason != "lost" {
			t.Errorf("%+v", r)
		}
		r := revocations[bob.Public]
		if !r.InForce() || r.Reason != "stolen" || !r.Time.Equal(at) {
			t.Errorf("%+v", r)
		}
		for _, e := range ids {
			if e.Name == "alice" && (len(e.Groups) != 2 || e.Groups[1] != "fx/desk") {
				t.Errorf("%+v", e)
			}
		}
		// Revoked after the backup.
		ztest.Must(t, s.Revoke(alice.Public, at, ""))
		if again != nil {
			s = again()
		}
		if err := s.Put(ids...); err == nil || knows(s, alice.Public) {
			t.Error("a restored backup brings a key back")
		}
	})
}
