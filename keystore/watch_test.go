package keystore_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// watched opens a store and watches it until the test ends. It doesn't poll, so that
// events are the only way to notice changes.
func watched(t *testing.T, dir string) (keystore.Store, *ztest.Log) {
	t.Helper()
	d, log := open(t, dir)
	keystore.DontPoll(d)
	ztest.Background(t, d.Watch)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return d, log
}

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	d, log := watched(t, dir)

	bob := add(t, dir, "bob")
	ztest.Wait(t, "added", func() bool { return knows(d, bob) })
	ztest.Must(t, os.Remove(filepath.Join(dir, "bob.key")))
	ztest.Wait(t, "removed", func() bool { return !knows(d, bob) })

	// Different content with the same size and time.
	path := filepath.Join(dir, "alice.key")
	info, err := os.Stat(path)
	ztest.Must(t, err)
	alice2 := add(t, dir, "alice")
	ztest.Must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	ztest.Wait(t, "changed", func() bool { return knows(d, alice2) && !knows(d, alice) })

	replacement, alice3 := text(t, "alice")
	ztest.WriteFile(t, filepath.Join(dir, "alice.key"), replacement)
	ztest.Wait(t, "replaced", func() bool { return knows(d, alice3) && !knows(d, alice2) })

	ztest.Must(t, os.Rename(path, filepath.Join(dir, ".alice.away")))
	ztest.Wait(t, "renamed away", func() bool { return !knows(d, alice3) })
	for _, word := range []string{"added", "removed"} {
		if log.Count("identity "+word) == 0 {
			t.Errorf("nothing was logged as %s", word)
		}
	}
}

// TestWatchPolls: polling notices a change that causes no event: that of a link's target.
func TestWatchPolls(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	alice := add(t, elsewhere, "alice")
	ztest.Must(t, os.Symlink(filepath.Join(elsewhere, "alice.key"), filepath.Join(dir, "alice.key")))
	d, _ := open(t, dir)
	ztest.Background(t, d.Watch)
	alice2 := add(t, elsewhere, "alice")
	ztest.Wait(t, "changed", func() bool { return knows(d, alice2) && !knows(d, alice) })
	alice3 := add(t, elsewhere, "alice") // Watch has read it once by now
	ztest.Wait(t, "changed again", func() bool { return knows(d, alice3) && !knows(d, alice2) })
}

// TestWatchGroups: directories that are created and removed within the store are watched,
// and are groups.
func TestWatchGroups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, _ := watched(t, dir)
	desk := filepath.Join(dir, "traders", "desk")
	ztest.Must(t, os.MkdirAll(desk, 0o755))
	alice := add(t, desk, "alice")
	ztest.Wait(t, "a new group", func() bool { return knows(d, alice) })
	id, _ := d.Lookup(alice)
	if !inGroup(id, "traders") || !inGroup(id, "traders/desk") || inGroup(id, "desk") || id.Place != filepath.Join(desk, "alice.key") {
		t.Errorf("%+v", id)
	}
	bob := add(t, desk, "bob")
	ztest.Wait(t, "another in it", func() bool { return knows(d, bob) })
	ztest.Must(t, os.Rename(desk, filepath.Join(dir, "admins")))
	ztest.Wait(t, "renamed", func() bool {
		id, ok := d.Lookup(bob)
		return ok && inGroup(id, "admins") && !inGroup(id, "traders")
	})
	hidden := filepath.Join(dir, ".hidden")
	ztest.Must(t, os.Mkdir(hidden, 0o755))
	carol := add(t, hidden, "carol")
	ztest.Must(t, os.RemoveAll(filepath.Join(dir, "admins")))
	ztest.Wait(t, "removed", func() bool { return d.Len() == 0 })
	if knows(d, carol) {
		t.Error("a hidden directory is read")
	}
}

// TestWatchBroken: an invalid file is logged once, and its identity is removed, as after
// a restart.
func TestWatchBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	d, log := watched(t, dir)

	ztest.WriteFile(t, filepath.Join(dir, "alice.key"), "oops\n")
	ztest.Wait(t, "reported", func() bool { return log.Count("level=ERROR", "alice.key:1:1", "invalid certificate: ignoring it") == 1 })
	if knows(d, alice) {
		t.Error("the last valid version still applies")
	}
	ztest.WriteFile(t, filepath.Join(dir, "bob.key"), "oops\n")
	ztest.Wait(t, "another", func() bool { return log.Count("level=ERROR", "bob.key:1:1", "invalid certificate: ignoring it") == 1 })
	if log.Count("level=ERROR") != 2 {
		t.Error("more was logged")
	}
	fixed, alice2 := text(t, "alice")
	ztest.WriteFile(t, filepath.Join(dir, "alice.key"), fixed)
	ztest.Wait(t, "fixed", func() bool { return knows(d, alice2) && !knows(d, alice) })
	write(t, dir, "alice.key", "oops\n")
	ztest.Must(t, os.Remove(filepath.Join(dir, "alice.key")))
	ztest.Wait(t, "removed", func() bool { return !knows(d, alice2) })
}

// TestWatchDirectory: the directory itself may be removed and created again.
func TestWatchDirectory(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "clients")
	ztest.Must(t, os.Mkdir(dir, 0o755))
	alice := add(t, dir, "alice")
	d, _ := watched(t, dir)
	zoe := add(t, dir, "zoe")
	ztest.Wait(t, "followed", func() bool { return knows(d, zoe) })

	ztest.Must(t, os.RemoveAll(dir))
	ztest.Wait(t, "removed with its content", func() bool { return !knows(d, alice) && !knows(d, zoe) })
	ztest.Must(t, os.Mkdir(dir, 0o755))
	bob := add(t, dir, "bob")
	ztest.Wait(t, "made again", func() bool { return knows(d, bob) })
	carol := add(t, dir, "carol")
	ztest.Wait(t, "followed again", func() bool { return knows(d, carol) })

	if runtime.GOOS == "windows" {
		return // Windows can't rename a watched directory
	}
	next := filepath.Join(parent, "next")
	ztest.Must(t, os.Mkdir(next, 0o755))
	dave := add(t, next, "dave")
	ztest.Must(t, os.Rename(dir, filepath.Join(parent, "old")))
	ztest.Must(t, os.Rename(next, dir))
	ztest.Wait(t, "another directory in its place", func() bool { return knows(d, dave) && !knows(d, bob) })
	erin := add(t, dir, "erin")
	ztest.Wait(t, "followed again", func() bool { return knows(d, erin) })
}

// TestWatchKubernetes: a mounted volume changes when one link is replaced.
func TestWatchKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(n string, name string) curve.PublicKey {
		ztest.Must(t, os.Mkdir(filepath.Join(dir, n), 0o755))
		text, key := text(t, name)
		write(t, filepath.Join(dir, n), "client.key", text)
		return key
	}
	link := filepath.Join(dir, "..data")
	last := version("..v1", "v1")
	ztest.Must(t, os.Symlink("..v1", link))
	ztest.Must(t, os.Symlink(filepath.Join("..data", "client.key"), filepath.Join(dir, "client.key")))
	d, _ := watched(t, dir)
	for _, name := range []string{"v2", "v3"} { // the first may be read before Watch begins
		next := version(".."+name, name)
		ztest.Must(t, os.Symlink(".."+name, link+"_tmp"))
		ztest.Must(t, os.Rename(link+"_tmp", link))
		ztest.Wait(t, name, func() bool { return knows(d, next) && !knows(d, last) })
		last = next
	}
}
