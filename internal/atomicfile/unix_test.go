//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestNoName: a process that is killed before a file has its name leaves nothing, and
// only its owner can read a secret from the start.
func TestNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	staged, err := stage(pair(dir, "1"), false)
	ztest.Must(t, err)
	defer discard(staged)
	if runtime.GOOS == "linux" {
		check(t, dir, map[string]string{})
	}
	info, err := staged[1].file.Stat()
	ztest.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// TestLeftover: writing a file again removes a file that a killed process left, but
// nothing that is in use or of another kind.
func TestLeftover(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	ztest.Must(t, os.WriteFile(outside, []byte("outside"), 0o600))
	write := func(name string) string {
		path := filepath.Join(dir, name)
		ztest.Must(t, os.WriteFile(path, []byte("left"), 0o600))
		return path
	}
	write(".x.0.tmp")
	ztest.Must(t, Replace(File{filepath.Join(dir, "x"), []byte("1"), 0o600}))
	check(t, dir, map[string]string{"x": "1"})

	busy, err := os.Open(write(".x.0.tmp"))
	ztest.Must(t, err, lock(busy))
	defer busy.Close()
	ztest.Must(t, os.Symlink(outside, filepath.Join(dir, ".x.1.tmp")), syscall.Mkfifo(filepath.Join(dir, ".x.2.tmp"), 0o600))
	write(".x.3.tmp")
	ztest.Must(t, Replace(File{filepath.Join(dir, "x"), []byte("2"), 0o600}), os.Remove(filepath.Join(dir, ".x.2.tmp")))
	check(t, dir, map[string]string{"x": "2", ".x.0.tmp": "left", ".x.1.tmp": "outside"})
	for _, n := range "234567" {
		ztest.Must(t, os.Symlink(outside, filepath.Join(dir, ".x."+string(n)+".tmp")))
	}
	ztest.Must(t, Replace(File{filepath.Join(dir, "x"), []byte("3"), 0o600}))
	if text, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(text) != "3" {
		t.Errorf("all names are taken: %q, %v", text, err)
	}
}

// TestNamed: everything works on a file system where every file has a name.
func TestNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	named := func(path, text string) *staged {
		s := &staged{path: path}
		var err error
		s.temp, err = nameTemp(path, func(temp string) (err error) {
			s.file, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			return err
		})
		ztest.Must(t, err)
		_, err = s.file.WriteString(text)
		ztest.Must(t, err, lock(s.file))
		return s
	}
	path := filepath.Join(dir, "x")
	first, second := named(path, "1"), named(path, "2")
	if first.temp == second.temp {
		t.Error("two writers have one hidden file")
	}
	ztest.Must(t, first.create())
	if err := second.create(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	first.discard()
	ztest.Must(t, second.replace())
	second.discard()
	check(t, dir, map[string]string{"x": "2"})
}

// TestModes: a new file has its mode. A file that replaces another has only the bits that
// both its mode and the old file have.
func TestModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct{ mode, old, want fs.FileMode }{
		{0o600, 0o600, 0o600},
		{0o600, 0o400, 0o400},
		{0o600, 0o640, 0o640}, // for a service's group
		{0o600, 0o660, 0o640},
		{0o600, 0o644, 0o600}, // by accident
		{0o600, 0o666, 0o600},
		{0o644, 0o644, 0o644},
		{0o644, 0o600, 0o600},
		{0o644, 0o666, 0o644},
	} {
		path := filepath.Join(dir, "x")
		ztest.Must(t, os.RemoveAll(path), os.WriteFile(path, nil, 0o600), os.Chmod(path, tt.old),
			Replace(File{path, []byte("x"), tt.mode}))
		info, err := os.Stat(path)
		ztest.Must(t, err)
		if info.Mode() != tt.want {
			t.Errorf("mode %v replacing %v: %v, want %v", tt.mode, tt.old, info.Mode(), tt.want)
		}
	}
}

// TestOwner: a process that may change owners keeps a file's owner and group.
func TestOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	path := filepath.Join(t.TempDir(), "x")
	ztest.Must(t, os.WriteFile(path, nil, 0o640), os.Chmod(path, 0o640), os.Chown(path, 65534, 65533),
		Replace(File{path, []byte("x"), 0o600}))
	info, err := os.Stat(path)
	ztest.Must(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Uid != 65534 || stat.Gid != 65533 || info.Mode() != 0o640 {
		t.Errorf("owner %d:%d, mode %v", stat.Uid, stat.Gid, info.Mode())
	}
}

// TestReplaceLink: a link is replaced, and its target stays. A path that isn't a file stays.
func TestReplaceLink(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	path, pipe := filepath.Join(dir, "x"), filepath.Join(dir, "pipe")
	ztest.Must(t, os.WriteFile(outside, []byte("outside"), 0o666), os.Symlink(outside, path), syscall.Mkfifo(pipe, 0o600))
	ztest.Must(t, Replace(File{path, []byte("x"), 0o600}))
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
	check(t, filepath.Dir(outside), map[string]string{"outside": "outside"})
	for _, p := range []string{pipe, dir, os.DevNull} {
		if err := Replace(File{p, []byte("x"), 0o600}); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", p, err)
		}
	}
}
