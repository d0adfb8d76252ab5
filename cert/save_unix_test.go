//go:build unix

package cert

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/ztest"
)

func TestSaveModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.key")
	for range 2 { // the second replaces files that anybody could read and write
		if err := Generate("").Save(path, Replace); err != nil {
			t.Fatal(err)
		}
		for p, want := range map[string]fs.FileMode{path: publicMode, path + SecretSuffix: secretMode} {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			// The umask may take bits from the public one.
			if got := info.Mode(); got != want && (p != path || got&^want != 0) {
				t.Errorf("%s has mode %v, want %v", p, got, want)
			}
			if err := os.Chmod(p, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSaveReplacesLinks holds that a link is replaced and what it points to
// stays as it is.
func TestSaveReplacesLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.key")
	if err := os.Symlink(target, path+SecretSuffix); err != nil {
		t.Fatal(err)
	}
	c := Generate("")
	if err := c.Save(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if err := c.Save(path, Replace); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, path, texts(t, c))
	checkFiles(t, target, map[string]string{"target": "text"})
}

func TestLoadPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Load(path)
		done <- err
	}()
	if err := ztest.Receive(t, "an error: it blocks", done); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("got %v, want %v", err, regular.ErrNotRegular)
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	ztest.Must(t, err)
	defer listener.Close()
	if _, err := Load(socket); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("socket: got %v, want %v", err, regular.ErrNotRegular)
	}
	if _, err := Load(os.DevNull); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("device: got %v, want %v", err, regular.ErrNotRegular)
	}
}

func TestLoadModeWarning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"public": publicText(""), "secret": secretText("")} {
		for _, mode := range []fs.FileMode{0o600, 0o400, 0o700, 0o640, 0o604, 0o644, 0o620} {
			path := filepath.Join(dir, name)
			os.Remove(path)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			c, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			warnings := c.Warnings
			want := name == "secret" && mode&0o077 != 0
			if got := len(warnings) == 1 && warnings[0].Line == 0 && strings.HasSuffix(warnings[0].Text, "chmod 600 "+path); got != want || len(warnings) > 1 {
				t.Errorf("%s, mode %v: got %v", name, mode, warnings)
			}
		}
	}
}
