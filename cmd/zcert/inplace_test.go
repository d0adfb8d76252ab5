//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestKeepsOwner: a file that is changed in place keeps its owner and group, if the
// process is allowed to set them.
func TestKeepsOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	path := filepath.Join(t.TempDir(), "file")
	ztest.WriteFile(t, path, "before")
	ztest.Must(t, os.Chown(path, 1234, 5678), os.Chmod(path, 0o640))
	ztest.Must(t, saveInPlace(path, func(dst []byte) ([]byte, error) { return append(dst, "after"...), nil }, secretInPlace))
	info, err := os.Stat(path)
	ztest.Must(t, err)
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 5678 || info.Mode().Perm() != 0o640 {
		t.Errorf("got %d:%d, mode %v", s.Uid, s.Gid, info.Mode())
	}
	if text, err := os.ReadFile(path); string(text) != "after" {
		t.Errorf("got %q, %v", text, err)
	}
}
