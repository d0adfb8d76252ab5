package keystore

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/internal/ztest"
)

// BenchmarkChange puts one changed file of a directory in force: it costs the same
// however many others there are.
func BenchmarkChange(b *testing.B) {
	for _, count := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			path := b.TempDir()
			write := func(name string) {
				text, err := cert.Generate(cert.Property{Name: "name", Value: name}).AppendPublic(nil)
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
