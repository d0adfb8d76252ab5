package keystore

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
)

// TestPoll: looking at the files is enough to see that one has changed, also if its
// size and its time are as they were; and those that haven't aren't read.
func TestPoll(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	name := filepath.Join(path, "alice.key")
	old := time.Now().Add(-time.Hour)
	write := func() *cert.Certificate {
		c := cert.Generate(cert.Property{Name: "name", Value: "alice"})
		text, err := c.AppendPublic(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := write()
	d, err := openDir(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	second := write()
	if err := d.updateAll(false); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Lookup(second.Public); !ok {
		t.Error("a change of the same size and time isn't seen")
	}
	if _, ok := d.Lookup(first.Public); ok {
		t.Error("what was changed is still known")
	}

	// As if it had been left alone for long: then it isn't read any more.
	d.files["alice.key"].stamp.at = time.Now().Add(time.Hour)
	before := d.files["alice.key"]
	if err := d.updateAll(false); err != nil {
		t.Fatal(err)
	}
	if d.files["alice.key"] != before {
		t.Error("a file that hasn't changed was read")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := d.updateAll(false); err != nil || d.Len() != 0 {
		t.Errorf("removed: %v, %d identities", err, d.Len())
	}
}
