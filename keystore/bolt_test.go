package keystore_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestBoltIsNotMade: opening creates no file and writes nothing.
func TestBoltIsNotMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cleints.db")
	if _, err := keystore.Open("bolt:"+path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	ztest.Must(t, err, keystore.Create("bolt:"+path))
	if len(entries) > 0 {
		t.Errorf("opening made %v", entries)
	}
	before, err := os.ReadFile(path)
	ztest.Must(t, err)
	s, _ := open(t, "bolt:"+path)
	ztest.Must(t, s.Reload(), keystore.Create("bolt:"+path))
	after, err := os.ReadFile(path)
	ztest.Must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("opening wrote to the file")
	}
	ztest.Must(t, os.Remove(path))
	if err := s.Put(put(generate(t, "alice"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put into a missing file: %v", err)
	}
}

// TestBoltExchanged: Reload and Watch read a file that replaces the first, and keys that
// were revoked in the first stay refused.
func TestBoltExchanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := "bolt:" + filepath.Join(dir, "a.db")
	alice, bob, carol := generate(t, "alice"), generate(t, "bob"), generate(t, "carol")
	ztest.Must(t, keystore.Create(url))
	s, log := open(t, url)
	ztest.Must(t, s.Put(put(alice), put(bob)), s.Revoke(bob.Public, at, ""))
	exchange := func(change func(next keystore.Store)) {
		t.Helper()
		url := "bolt:" + filepath.Join(dir, "next.db")
		ztest.Must(t, keystore.Create(url))
		next, _ := open(t, url)
		change(next)
		ztest.Must(t, os.Rename(filepath.Join(dir, "next.db"), filepath.Join(dir, "a.db")))
	}
	exchange(func(next keystore.Store) {
		ztest.Must(t, next.Put(put(alice), put(bob), put(carol)), next.Revoke(alice.Public, at, "stolen"))
	})
	ztest.Must(t, s.Reload())
	if knows(s, alice.Public) || knows(s, bob.Public) || !knows(s, carol.Public) {
		t.Error("the other file wasn't read")
	}
	if log.Count("level=ERROR", "revocation record removed: still refusing the key") != 1 {
		t.Errorf("log:\n%s", log)
	}
	ztest.Background(t, s.Watch)
	dave := generate(t, "dave")
	exchange(func(next keystore.Store) { ztest.Must(t, next.Put(put(alice), put(dave))) })
	ztest.Wait(t, "followed", func() bool { return knows(s, dave.Public) && !knows(s, carol.Public) })
	if knows(s, alice.Public) {
		t.Error("a restored file brings a key back")
	}
	erin := generate(t, "erin")
	other, _ := open(t, url)
	ztest.Must(t, other.Put(put(erin)))
	ztest.Wait(t, "written by another process", func() bool { return knows(s, erin.Public) })
	ztest.Must(t, other.Revoke(erin.Public, at, ""))
	ztest.Wait(t, "revoked by another process", func() bool { return !knows(s, erin.Public) })
}

// TestBoltIsFollowedWhileWritten: Watch notices a revocation while other processes write
// the file continuously. Killing them leaves no lock behind.
func TestBoltIsFollowedWhileWritten(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	ztest.Must(t, err)
	url := urlOf(t, "bolt")
	mallory := generate(t, "mallory")
	s, log := open(t, url)
	ztest.Must(t, s.Put(put(mallory)))
	ztest.Background(t, s.Watch)
	for range 2 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), asWriter+"="+url)
		_, err := cmd.StdinPipe()
		ztest.Must(t, err)
		out, err := cmd.StdoutPipe()
		ztest.Must(t, err, cmd.Start())
		in := bufio.NewScanner(out)
		if !in.Scan() {
			t.Fatal("the writer prints nothing")
		}
		other, _ := open(t, url)
		ztest.Must(t, other.Put(put(mallory)))
		ztest.Wait(t, "known while it is written", func() bool { return knows(s, mallory.Public) })
		ztest.Must(t, other.Revoke(mallory.Public, at, ""))
		ztest.Wait(t, "revoked while it is written", func() bool { return !knows(s, mallory.Public) })
		ztest.Must(t, other.Unrevoke(mallory.Public, at, ""))
		ztest.Must(t, cmd.Process.Kill())
		cmd.Wait()
		ztest.Must(t, other.Put(put(mallory)))
	}
	if log.Count("level=ERROR") > 0 {
		t.Errorf("log:\n%s", log)
	}
}

// flips is the number of copies in which TestBoltDamagedUnraced changes one bit.
const flips = 500

// TestBoltDamagedUnraced: a flipped bit anywhere in the file doesn't bring back a revoked
// key: the key stays refused, or the store doesn't open. Nor does the bit crash a process
// that has the store open. In some of these files, a damaged length leads bbolt out of
// the page into memory that another goroutine writes; it then finds the damage, but the
// race detector reports the access.
func TestBoltDamagedUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	ztest.Must(t, keystore.Create("bolt:"+path))
	s, _ := open(t, "bolt:"+path)
	var entries []*keystore.Identity
	for i := range 20 {
		entries = append(entries, put(generate(t, fmt.Sprint("identity-", i))))
	}
	ztest.Must(t, s.Put(entries...))
	revoked := entries[:6]
	for _, e := range revoked {
		ztest.Must(t, s.Revoke(e.Certificate.Public, at, "stolen"))
	}
	whole, err := os.ReadFile(path)
	ztest.Must(t, err)
	var used []int // the bytes that aren't zero, where a flip is more likely to matter, and their neighbors
	for i := range whole {
		if bytes.ContainsFunc(whole[max(0, i-8):min(len(whole), i+8)], func(r rune) bool { return r != 0 }) {
			used = append(used, i)
		}
	}
	target := filepath.Join(dir, "b.db")
	ztest.Must(t, os.WriteFile(target, whole, 0o600))
	running, _ := open(t, "bolt:"+target)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	opened := 0
	check := func(what string, damaged []byte) {
		t.Helper()
		ztest.Must(t, os.WriteFile(target, damaged, 0o600))
		running.Reload()
		fresh, err := keystore.Open("bolt:"+target, nil)
		if err == nil {
			opened++
		}
		for _, e := range revoked {
			key := e.Certificate.Public
			if _, revoked := running.Revocation(key); !revoked || knows(running, key) {
				t.Fatalf("seed %d: %s: the running process admits %s", seed, what, e.Name)
			}
			if err != nil {
				continue
			}
			if _, revoked := fresh.Revocation(key); !revoked || knows(fresh, key) {
				t.Fatalf("seed %d: %s: %s is admitted", seed, what, e.Name)
			}
		}
	}
	for range flips {
		damaged := bytes.Clone(whole)
		i, bit := used[random.IntN(len(used))], random.IntN(8)
		damaged[i] ^= 1 << bit
		check(fmt.Sprintf("byte %d, bit %d", i, bit), damaged)
	}
	if opened == 0 || opened == flips {
		t.Errorf("opened only %d times of %d: the flips test nothing", opened, flips)
	}
	for _, size := range []int{0, 1, 4096, 8192, len(whole) / 2, len(whole) - 4096} {
		check(fmt.Sprintf("cut at %d", size), whole[:size])
	}
	// The heads, which determine the latest state.
	for i := range 2 * os.Getpagesize() {
		if i%os.Getpagesize() < 80 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << (i % 8)
			check(fmt.Sprintf("head, byte %d", i), damaged)
		}
	}
}

// TestBoltLosesABucket: a file without some of its buckets is damaged, not empty.
func TestBoltLosesABucket(t *testing.T) {
	t.Parallel()
	for _, lost := range [][]string{{"revocations"}, {"sums"}, {"revocations", "sums"}, {"identities", "revocations", "sums"}} {
		path := filepath.Join(t.TempDir(), "a.db")
		ztest.Must(t, keystore.Create("bolt:"+path))
		s, _ := open(t, "bolt:"+path)
		alice := generate(t, "alice")
		ztest.Must(t, s.Put(put(alice)), s.Revoke(alice.Public, at, ""))
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Minute})
		ztest.Must(t, err)
		ztest.Must(t, db.Update(func(tx *bbolt.Tx) error {
			for _, name := range lost {
				ztest.Must(t, tx.DeleteBucket([]byte(name)))
			}
			return nil
		}), db.Close())
		if _, err := keystore.Open("bolt:"+path, nil); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("without %q: %v", lost, err)
		}
		if err := s.Reload(); !errors.Is(err, keystore.ErrDamaged) || knows(s, alice.Public) {
			t.Errorf("without %q: %v", lost, err)
		}
		if err := s.Put(put(alice)); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("put without %q: %v", lost, err)
		}
	}
}

// TestBoltCopied: a file that is copied over a store in place is read when it is
// complete, even if part of it was read before.
func TestBoltCopied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	ztest.Must(t, keystore.Create("bolt:"+path), keystore.Create("bolt:"+path+".new"))
	s, _ := open(t, "bolt:"+path)
	alice := generate(t, "alice")
	ztest.Must(t, s.Put(put(alice)))
	next, _ := open(t, "bolt:"+path+".new")
	var keys []*keystore.Identity
	for i := range 100 {
		keys = append(keys, put(generate(t, fmt.Sprint("identity-", i))))
	}
	ztest.Must(t, next.Put(keys...))
	whole, err := os.ReadFile(path + ".new")
	ztest.Must(t, err)
	ztest.Background(t, s.Watch)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	ztest.Must(t, err)
	defer f.Close()
	for part := range 4 {
		_, err := f.WriteAt(whole[part*len(whole)/4:(part+1)*len(whole)/4], int64(part*len(whole)/4))
		ztest.Must(t, err)
		s.Reload() // this may fail
	}
	ztest.Must(t, f.Close())
	ztest.Wait(t, "the whole copy", func() bool { return s.Len() == len(keys) && !knows(s, alice.Public) })
}
