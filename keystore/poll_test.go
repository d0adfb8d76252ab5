package keystore

import (
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestPoll: looking at the files is enough to see that one has changed, on Linux also
// if its size and its time are as they were; and those that haven't aren't read.
func TestPoll(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	name := filepath.Join(path, "alice.key")
	old := time.Now().Add(-time.Hour)
	write := func() *cert.Certificate {
		c := cert.Generate(cert.Property{Name: "name", Value: "alice"})
		text, err := c.AppendPublic(nil)
		ztest.Must(t, err)
		ztest.Must(t, os.WriteFile(name, text, 0o644))
		ztest.Must(t, os.Chtimes(name, old, old))
		return c
	}
	first := write()
	d, err := openDir(path, slog.New(slog.DiscardHandler))
	ztest.Must(t, err)
	if runtime.GOOS != "linux" {
		old = old.Add(time.Minute)
	}
	second := write()
	ztest.Must(t, d.updateAll(false))
	if _, ok := d.Lookup(second.Public); !ok {
		t.Error("a change isn't seen")
	}
	if _, ok := d.Lookup(first.Public); ok {
		t.Error("what was changed is still known")
	}

	// As if it had been left alone for long: then it isn't read any more.
	d.files["alice.key"].stamp.at = time.Now().Add(time.Hour)
	before := d.files["alice.key"]
	ztest.Must(t, d.updateAll(false))
	if d.files["alice.key"] != before {
		t.Error("a file that hasn't changed was read")
	}
	ztest.Must(t, os.Remove(name))
	if err := d.updateAll(false); err != nil || d.Len() != 0 {
		t.Errorf("removed: %v, %d identities", err, d.Len())
	}
}

// TestHalfWritten: what is half written isn't reported, however often it is looked
// at.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	var log ztest.Log
	d, err := openDir(path, log.Logger())
	ztest.Must(t, err)
	d.stillness = time.Hour // a busy machine may not write on for long
	d.pollEvery = time.Hour
	ztest.Background(t, d.Watch)

	bob := cert.Generate(cert.Property{Name: "name", Value: "bob"})
	whole, err := bob.AppendPublic(nil)
	ztest.Must(t, err)
	f, err := os.Create(filepath.Join(path, "bob.key"))
	ztest.Must(t, err)
	defer f.Close()
	written := 0
	for _, n := range []int{20, len(whole) / 2, len(whole) - 20} {
		_, err := f.Write(whole[written:n])
		ztest.Must(t, err)
		written = n
		sum := sha256.Sum256(whole[:n])
		ztest.Wait(t, "a part is read", func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			bob := d.files["bob.key"]
			return bob != nil && bob.sum == sum && bob.err != nil
		})
		if more := d.report(time.Now().Add(-d.stillness)); !more {
			t.Error("nothing is left to report")
		}
	}
	_, err = f.Write(whole[written:])
	ztest.Must(t, err)
	ztest.Wait(t, "all of it is read", func() bool {
		_, ok := d.Lookup(bob.Public)
		return ok
	})
	if log.Count("level=ERROR") > 0 || d.report(time.Now().Add(time.Hour)) {
		t.Errorf("log:\n%s", &log)
	}
}
