//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestKeepsOwner: a file that is changed in place keeps its owner and group, if this
// process may give files away.
func TestKeepsOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	path := filepath.Join(t.TempDir(), "file")
	ztest.WriteFile(t, path, "before")
	ztest.Must(t, os.Chown(path, 1234, 5678), os.Chmod(path, 0o640))
	ztest.Must(t, saveInPlace(new(cobra.Command), path, func(dst []byte) ([]byte, error) { return append(dst, "after"...), nil }, true))
	info, err := os.Stat(path)
	ztest.Must(t, err)
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 5678 || info.Mode().Perm() != 0o640 {
		t.Errorf("got %d:%d, mode %v", s.Uid, s.Gid, info.Mode())
	}
	if text, err := os.ReadFile(path); string(text) != "after" {
		t.Errorf("got %q, %v", text, err)
	}
}

// TestKeptMode: a secret that everybody could read is its owner's alone afterwards.
func TestKeptMode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		old          os.FileMode
		public, kept os.FileMode
	}{
		{0o600, 0o600, 0o600},
		{0o640, 0o640, 0o640},
		{0o400, 0o400, 0o400},
		{0o660, 0o660, 0o660},
		{0o644, 0o644, 0o600},
		{0o666, 0o666, 0o600},
		{0o604, 0o604, 0o600},
	} {
		if got := keptMode(tt.old, false); got != tt.public {
			t.Errorf("public, %v: got %v, want %v", tt.old, got, tt.public)
		}
		if got := keptMode(tt.old, true); got != tt.kept {
			t.Errorf("secret, %v: got %v, want %v", tt.old, got, tt.kept)
		}
	}
}
