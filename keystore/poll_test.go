package keystore_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestPoll: polling notices every change; on Linux, even one that keeps the size and time.
func TestPoll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "alice.key")
	alice := add(t, dir, "alice")
	old := time.Now().Add(-time.Hour)
	ztest.Must(t, os.Chtimes(path, old, old))
	d, _ := open(t, dir)
	keystore.PollOnly(d)
	ztest.Background(t, d.Watch)
	if runtime.GOOS != "linux" {
		old = old.Add(time.Minute)
	}
	replacement, alice2 := text(t, "alice")
	write(t, dir, "alice.key", replacement)
	ztest.Must(t, os.Chtimes(path, old, old))
	ztest.Wait(t, "changed", func() bool { return knows(d, alice2) && !knows(d, alice) })
	ztest.Must(t, os.Mkdir(filepath.Join(dir, "group"), 0o755))
	bob := add(t, filepath.Join(dir, "group"), "bob")
	ztest.Wait(t, "a new group", func() bool { return knows(d, bob) })
	ztest.Must(t, os.Remove(path))
	ztest.Wait(t, "removed", func() bool { return !knows(d, alice2) })
	ztest.Must(t, os.RemoveAll(dir))
	ztest.Wait(t, "removed with its content", func() bool { return !knows(d, bob) })
}

// TestBeingWritten: a file that is being written is neither read nor logged, however long
// the writing takes.
func TestBeingWritten(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux reports that a file is open for writing")
	}
	dir := t.TempDir()
	d, log := open(t, dir)
	ztest.Background(t, d.Watch)
	whole, bob := text(t, "bob")
	f, err := os.Create(filepath.Join(dir, "bob.key"))
	ztest.Must(t, err)
	defer f.Close()
	_, err = f.WriteString(whole) // it could be read now, but must not be
	ztest.Must(t, err)
	for i := range 3 { // each is noticed by a later poll than the one before
		key := add(t, dir, []string{"one", "two", "three"}[i])
		ztest.Wait(t, "another file is read", func() bool { return knows(d, key) })
		if knows(d, bob) {
			t.Fatal("a file that is being written was read")
		}
	}
	ztest.Must(t, f.Close())
	ztest.Wait(t, "it is written", func() bool { return knows(d, bob) })
	if log.Count("level=ERROR") > 0 {
		t.Errorf("log:\n%s", log)
	}
}
