//go:build linux

package cert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// loneSecret is a secret key that nothing but TestLoadLeavesNoCopyUnraced uses, in
// memory that can't be written.
const loneSecret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh5"

// TestLoadLeavesNoCopyUnraced: after Load and Wipe, the text of the secret key is
// nowhere in memory.
func TestLoadLeavesNoCopyUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	// A long file, so that reading it takes several pieces.
	path := filepath.Join(t.TempDir(), "lone.key_secret")
	public := lonePublic(t)
	writeInPieces(t, path, "curve\n    public-key = \""+public+"\"\n    secret-key = \"", loneSecret, "\"\nmetadata\n    note = \""+strings.Repeat("x", 900)+"\"\n"+strings.Repeat("# comment\n", 2000))
	c, err := Load(path)
	ztest.Must(t, err)
	c.Secret.Wipe()
	if n := copies(t, loneSecret); n > 0 {
		t.Errorf("%d copies of the secret key's text after Load and Wipe", n)
	}
}

// lonePublic is the public key of loneSecret. It leaves no copy of that.
func lonePublic(t *testing.T) string {
	bytes := make([]byte, len(loneSecret))
	copy(bytes, loneSecret)
	secret, err := curve.ParseSecretKey(bytes)
	ztest.Must(t, err)
	clear(bytes)
	defer secret.Wipe()
	return secret.Public().String()
}

// writeInPieces writes a file without having its parts together in memory.
func writeInPieces(t *testing.T, path string, parts ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	ztest.Must(t, err)
	for _, part := range parts {
		_, err := f.WriteString(part)
		ztest.Must(t, err)
	}
	ztest.Must(t, f.Close())
}

// copies counts where text is in the memory of this process that can be written.
func copies(t *testing.T, text string) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	ztest.Must(t, err)
	memory, err := os.Open("/proc/self/mem")
	ztest.Must(t, err)
	defer memory.Close()
	buffer := make([]byte, 1<<20)
	defer clear(buffer)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue // among them those that end above 2^63
		}
		for at := from; at < to; at += int64(len(buffer) - len(text)) {
			got, err := memory.ReadAt(buffer[:min(int64(len(buffer)), to-at)], at)
			if err != nil && !errors.Is(err, io.EOF) && got == 0 {
				break // unmapped meanwhile
			}
			for i := 0; i+len(text) <= got; i++ {
				if buffer[i] == text[0] && string(buffer[i:i+len(text)]) == text {
					n++
				}
			}
			clear(buffer)
		}
	}
	return n
}
