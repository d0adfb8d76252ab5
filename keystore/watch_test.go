package keystore_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// watched opens a store and follows it until the test ends.
func watched(t *testing.T, dir string) (keystore.Store, *ztest.Log) {
	t.Helper()
	d, log := open(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		ztest.Must(t, <-done)
	})
	return d, log
}

// within waits until something holds: a second is what is promised, and more is
// allowed for a machine under load.
func within(t *testing.T, what string, log *ztest.Log, ok func() bool) {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%s: not in force; log:\n%s", what, log)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if took := time.Since(start); took > time.Second {
		t.Logf("%s took %v", what, took)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	d, log := watched(t, dir)

	bob := add(t, dir, "bob")
	within(t, "added", log, func() bool { return knows(d, bob) })
	ztest.Must(t, os.Remove(filepath.Join(dir, "bob.key")))
	within(t, "removed", log, func() bool { return !knows(d, bob) })

	// Another content of the same size, at the same time as far as the file says.
	path := filepath.Join(dir, "alice.key")
	info, err := os.Stat(path)
	ztest.Must(t, err)
	alice2 := add(t, dir, "alice")
	ztest.Must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	within(t, "changed", log, func() bool { return knows(d, alice2) && !knows(d, alice) })

	replacement, alice3 := text(t, "alice")
	write(t, dir, ".alice.new", replacement)
	ztest.Must(t, os.Rename(filepath.Join(dir, ".alice.new"), path))
	within(t, "replaced", log, func() bool { return knows(d, alice3) && !knows(d, alice2) })

	ztest.Must(t, os.Rename(path, filepath.Join(dir, ".alice.away")))
	within(t, "renamed away", log, func() bool { return !knows(d, alice3) })
	for _, word := range []string{"added", "changed", "removed"} {
		if log.Count("identity "+word) == 0 {
			t.Errorf("nothing was logged as %s:\n%s", word, log)
		}
	}
}

// TestWatchGroups: directories that come and go within the store are followed too;
// their names are groups.
func TestWatchGroups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, log := watched(t, dir)
	desk := filepath.Join(dir, "traders", "desk")
	ztest.Must(t, os.MkdirAll(desk, 0o755))
	alice := add(t, desk, "alice")
	within(t, "a new group", log, func() bool { return knows(d, alice) })
	id, _ := d.Lookup(alice)
	if !id.InGroup("traders") || !id.InGroup("traders/desk") || id.InGroup("desk") || id.Source != filepath.Join(desk, "alice.key") {
		t.Errorf("%+v", id)
	}
	bob := add(t, desk, "bob")
	within(t, "another in it", log, func() bool { return knows(d, bob) })
	ztest.Must(t, os.Rename(desk, filepath.Join(dir, "admins")))
	within(t, "renamed", log, func() bool {
		id, ok := d.Lookup(bob)
		return ok && id.InGroup("admins") && !id.InGroup("traders")
	})
	hidden := filepath.Join(dir, ".hidden")
	ztest.Must(t, os.Mkdir(hidden, 0o755))
	carol := add(t, hidden, "carol")
	ztest.Must(t, os.RemoveAll(filepath.Join(dir, "admins")))
	within(t, "removed", log, func() bool { return d.Len() == 0 })
	if knows(d, carol) {
		t.Error("a hidden directory is read")
	}
}

// TestWatchBroken: what is half written isn't reported, what stays broken is,
// and the last good version stays in force.
func TestWatchBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	d, log := watched(t, dir)

	whole, bob := text(t, "bob")
	f, err := os.Create(filepath.Join(dir, "bob.key"))
	ztest.Must(t, err)
	for i := range whole {
		_, err := f.WriteString(whole[i : i+1])
		ztest.Must(t, err)
		if i%20 == 0 {
			time.Sleep(15 * time.Millisecond)
		}
	}
	ztest.Must(t, f.Close())
	within(t, "written slowly", log, func() bool { return knows(d, bob) })

	write(t, dir, "alice.key", "oops\n")
	within(t, "reported", log, func() bool { return log.Count("level=ERROR", "alice.key:1:1", "stays in force") == 1 })
	if !knows(d, alice) {
		t.Error("the last good version is not in force")
	}
	if log.Count("level=ERROR") != 1 {
		t.Errorf("more was reported:\n%s", log)
	}
	alice2 := add(t, dir, "alice")
	within(t, "mended", log, func() bool { return knows(d, alice2) && !knows(d, alice) })
	write(t, dir, "alice.key", "oops\n")
	ztest.Must(t, os.Remove(filepath.Join(dir, "alice.key")))
	within(t, "removed", log, func() bool { return !knows(d, alice2) })
}

// TestWatchDirectory: the directory itself may go and come back.
func TestWatchDirectory(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "clients")
	ztest.Must(t, os.Mkdir(dir, 0o755))
	alice := add(t, dir, "alice")
	d, log := watched(t, dir)
	zoe := add(t, dir, "zoe")
	within(t, "followed", log, func() bool { return knows(d, zoe) })

	ztest.Must(t, os.RemoveAll(dir))
	within(t, "removed with all in it", log, func() bool { return !knows(d, alice) && !knows(d, zoe) })
	ztest.Must(t, os.Mkdir(dir, 0o755))
	bob := add(t, dir, "bob")
	within(t, "made again", log, func() bool { return knows(d, bob) })
	carol := add(t, dir, "carol")
	within(t, "followed again", log, func() bool { return knows(d, carol) })

	if runtime.GOOS == "windows" {
		return // a directory that is watched can't be renamed there
	}
	next := filepath.Join(parent, "next")
	ztest.Must(t, os.Mkdir(next, 0o755))
	dave := add(t, next, "dave")
	ztest.Must(t, os.Rename(dir, filepath.Join(parent, "old")))
	ztest.Must(t, os.Rename(next, dir))
	within(t, "another in its place", log, func() bool { return knows(d, dave) && !knows(d, bob) })
	erin := add(t, dir, "erin")
	within(t, "followed again", log, func() bool { return knows(d, erin) })
}

// TestWatchKubernetes: a mounted volume changes by swapping one link.
func TestWatchKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(n string, name string) curve.PublicKey {
		ztest.Must(t, os.Mkdir(filepath.Join(dir, n), 0o755))
		text, key := text(t, name)
		write(t, filepath.Join(dir, n), "client.key", text)
		return key
	}
	first := version("..v1", "first")
	ztest.Must(t, os.Symlink("..v1", filepath.Join(dir, "..data")))
	ztest.Must(t, os.Symlink(filepath.Join("..data", "client.key"), filepath.Join(dir, "client.key")))
	d, log := watched(t, dir)
	within(t, "first", log, func() bool { return knows(d, first) })
	second := version("..v2", "second")
	ztest.Must(t, os.Symlink("..v2", filepath.Join(dir, "..data_tmp")))
	ztest.Must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	within(t, "swapped", log, func() bool { return knows(d, second) && !knows(d, first) })
}
