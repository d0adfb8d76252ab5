package cert

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
)

// checkFiles fails unless the directory of path holds exactly these files, by
// name and content. It finds temporary files that were left behind.
func checkFiles(t *testing.T, path string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		text := "a directory"
		if !e.IsDir() {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		got[e.Name()] = text
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// texts are the files of c under the name x.key.
func texts(t *testing.T, c *Certificate) map[string]string {
	t.Helper()
	public, err := c.AppendPublic(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := c.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"x.key": string(public), "x.key_secret": string(secret)}
}

func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.key")
	c := Generate("alice")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, path, texts(t, c))
	for _, p := range []string{path, path + SecretSuffix} {
		back, err := Load(p)
		if err != nil || len(back.Warnings) > 0 {
			t.Fatal(back, err)
		}
		want := *c
		if p == path {
			want.Secret = back.Secret
			if !back.Secret.IsZero() {
				t.Error("the public file has a secret")
			}
		}
		if diff := cmp.Diff(&want, back, compare); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p, diff)
		}
	}

	other := Generate("")
	if err := other.Save(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want %v", err, fs.ErrExist)
	}
	checkFiles(t, path, texts(t, c))
	if err := other.Save(path, Replace); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, path, texts(t, other))
}

func TestSaveToCurrentDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	c := Generate("")
	if err := c.Save("x.key"); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, "x.key", texts(t, c))
}

// TestSaveNeither holds that if one file can't be written, the other isn't
// either, and that nothing else changes.
func TestSaveNeither(t *testing.T) {
	t.Parallel()
	dir := map[string]string{"x.key": "a directory"}
	secretDir := map[string]string{"x.key_secret": "a directory"}
	tests := []struct {
		name      string
		before    map[string]string
		overwrite bool
		want      error
	}{
		{"public exists", map[string]string{"x.key": "public"}, false, fs.ErrExist},
		{"secret exists", map[string]string{"x.key_secret": "secret"}, false, fs.ErrExist},
		{"both exist", map[string]string{"x.key": "public", "x.key_secret": "secret"}, false, fs.ErrExist},
		{"public is a directory", dir, false, fs.ErrExist},
		{"secret is a directory", secretDir, false, fs.ErrExist},
		{"public is a directory, overwrite", dir, true, atomicfile.ErrNotRegular},
		{"public is a directory beside a secret, overwrite", map[string]string{"x.key": "a directory", "x.key_secret": "secret"}, true, atomicfile.ErrNotRegular},
		{"secret is a directory, overwrite", secretDir, true, atomicfile.ErrNotRegular},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.key")
			for name, text := range tt.before {
				p := filepath.Join(filepath.Dir(path), name)
				err := os.WriteFile(p, []byte(text), 0o600)
				if text == "a directory" {
					os.Remove(p)
					err = os.Mkdir(p, 0o700)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var options []SaveOption
			if tt.overwrite {
				options = append(options, Replace)
			}
			err := Generate("").Save(path, options...)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "cert: ") {
				t.Errorf("%q doesn't say where it comes from", err)
			}
			checkFiles(t, path, tt.before)
		})
	}
	t.Run("no directory", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "missing", "x.key")
		if err := Generate("").Save(path, Replace); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		checkFiles(t, filepath.Dir(path), nil)
	})
	t.Run("file as directory", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Generate("").Save(filepath.Join(file, "x.key")); err == nil {
			t.Error("saved")
		}
		checkFiles(t, file, map[string]string{"file": "text"})
	})
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pad := strings.Repeat("#\n", (form.MaxFile-len(publicText("")))/2)
	if _, err := Load(write("large enough", publicText("")+pad)); err != nil {
		t.Error(err)
	}
	tests := []struct {
		name, path string
		want       error
	}{
		{"a directory", dir, regular.ErrNotRegular},
		{"no file", filepath.Join(dir, "missing"), fs.ErrNotExist},
		{"a large file", write("large", publicText("")+pad+"####"), regular.ErrTooLarge},
		{"an empty file", write("empty", ""), errNoPublicKey},
	}
	for _, tt := range tests {
		c, err := Load(tt.path)
		if c != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, c, err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %q doesn't name the file", tt.name, err)
		}
	}
}
