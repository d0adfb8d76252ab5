package keystore

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/internal/ztest"
)

// BenchmarkChange applies a change to one file. The cost does not depend on the size of
// the directory.
func BenchmarkChange(b *testing.B) {
	for _, count := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			path := b.TempDir()
			write := func(name string) {
				text, err := cert.Generate(name).AppendPublic(nil)
				ztest.Must(b, err)
				ztest.Must(b, os.WriteFile(filepath.Join(path, name), text, 0o644))
			}
			for i := range count {
				write(fmt.Sprintf("client-%06d.key", i))
			}
			d, err := openDir(path, slog.New(slog.DiscardHandler))
			ztest.Must(b, err)
			for b.Loop() {
				b.StopTimer()
				write("client-000005.key")
				b.StartTimer()
				d.update([]string{"client-000005.key"}, follow.Read)
			}
			if d.Len() != count {
				b.Fatalf("%d identities", d.Len())
			}
		})
	}
}

// TestRevokedNotOnlyGone: a key is revoked after the records were read. As soon as its
// file is found to be missing or to have another key, the key is revoked, not just
// unknown.
func TestRevokedNotOnlyGone(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{false, true} {
		path := t.TempDir()
		open := func() *dir {
			t.Helper()
			d, err := openDir(path, slog.New(slog.DiscardHandler))
			ztest.Must(t, err)
			return d
		}
		named := func() *Identity {
			return &Identity{Name: "alice", Certificate: cert.Generate("alice")}
		}
		alice := named()
		key := alice.Certificate.Public
		writer := open()
		ztest.Must(t, writer.Put(alice))
		d := open()
		ztest.Must(t, writer.Revoke(key, time.Now(), "stolen"))
		if replaced {
			ztest.Must(t, writer.Put(named()))
		}
		d.work.Lock()
		d.update([]string{"alice.key"}, follow.Read)
		d.work.Unlock()
		_, known := d.Lookup(key)
		if _, revoked := d.Revocation(key); known || !revoked {
			t.Errorf("replaced %v: known %v, revoked %v", replaced, known, revoked)
		}
		if want := map[bool]int{false: 0, true: 1}[replaced]; d.Len() != want {
			t.Errorf("replaced %v: %d identities", replaced, d.Len())
		}
	}
}
