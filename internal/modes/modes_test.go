//go:build unix

package modes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// file creates a file, and the directories around it, with these modes.
func file(t *testing.T, path string, mode, dirMode os.FileMode) {
	t.Helper()
	ztest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600), os.Chmod(path, mode), os.Chmod(filepath.Dir(path), dirMode))
}

func TestWritable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode, dirMode os.FileMode
		want          string
	}{
		{0o600, 0o755, ""},
		{0o644, 0o755, ""},
		{0o664, 0o755, "mode 0664: other users can change it: chmod go-w "},
		{0o602, 0o755, "mode 0602: other users can change it: chmod go-w "},
		{0o600, 0o775, "other users can replace it: directory "},
		{0o600, 0o777, "has mode 0777: chmod go-w "},
		{0o600, 0o777 | os.ModeSticky, ""},
	} {
		dir := filepath.Join(t.TempDir(), "real")
		path := filepath.Join(dir, "file")
		file(t, path, tt.mode, tt.dirMode)
		link := filepath.Join(t.TempDir(), "link")
		ztest.Must(t, os.Symlink(path, link))
		for _, p := range []string{path, link} {
			if got := Writable(p); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("%v in %v: got %q, want %q", tt.mode, tt.dirMode, got, tt.want)
			}
		}
	}
	if got := Writable(filepath.Join(t.TempDir(), "missing")); got != "" {
		t.Errorf("missing: %q", got)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		fileMode, dirMode os.FileMode
		another           os.FileMode
		wantDir, wantFile string
	}{
		{"good", 0o644, 0o755, 0o644, "", ""},
		{"file", 0o666, 0o755, 0o644, "alice.key: mode 0666: other users can change it: chmod -R go-w ", "alice.key: mode 0666"},
		{"group", 0o644, 0o777, 0o644, "traders: mode 0777: other users can change it: chmod -R go-w ", "directory"},
		{"both", 0o644, 0o777, 0o666, "and 1 more files and directories", "directory"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "traders", "alice.key")
		file(t, path, tt.fileMode, tt.dirMode)
		file(t, filepath.Join(dir, "bob.key"), tt.another, 0o755)
		if got := Store("dir:" + dir); !strings.Contains(got, tt.wantDir) || (got == "") != (tt.wantDir == "") || got != Store(dir) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.wantDir)
		}
		for _, kind := range []string{"file:", "bolt:"} {
			if got := Store(kind + path); !strings.Contains(got, tt.wantFile) || (got == "") != (tt.wantFile == "") {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.wantFile)
			}
		}
	}
	for _, url := range []string{"env:CLIENTS", "mem:"} {
		if got := Store(url); got != "" {
			t.Errorf("%s: %q", url, got)
		}
	}
}

// TestIsMounted: secrets that systemd and Kubernetes provide are recognized.
func TestIsMounted(t *testing.T) {
	dir := t.TempDir()
	file(t, filepath.Join(dir, "..2026", "a.key_secret"), 0o644, 0o755)
	ztest.Must(t, os.Symlink("..2026", filepath.Join(dir, "..data")), os.Symlink("..data/a.key_secret", filepath.Join(dir, "a.key_secret")))
	file(t, filepath.Join(dir, "b.key_secret"), 0o440, 0o755)
	ztest.Must(t, os.Symlink("b.key_secret", filepath.Join(dir, "c.key_secret")))
	is := func(name string, want bool) {
		t.Helper()
		if IsMounted(filepath.Join(dir, name)) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	is("a.key_secret", true)
	is("b.key_secret", false)
	is("c.key_secret", false)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	is("b.key_secret", true)
	is("../b.key_secret", false)
}
