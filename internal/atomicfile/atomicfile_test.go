package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
)

// synced maps each synced directory to an *atomic.Int64, which counts the syncs.
var synced sync.Map

func TestMain(m *testing.M) {
	onSync = func(dir string) {
		count, _ := synced.LoadOrStore(filepath.Clean(dir), new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
	}
	os.Exit(m.Run())
}

// checkSynced checks how often a directory was synced.
func checkSynced(t *testing.T, dir string, want int64) {
	t.Helper()
	count, _ := synced.LoadOrStore(dir, new(atomic.Int64))
	if got := count.(*atomic.Int64).Load(); got != want {
		t.Errorf("the directory was synced %d times, not %d", got, want)
	}
}

// check checks that a directory has exactly these files, and none left behind.
func check(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ztest.Must(t, err)
	got := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		ztest.Must(t, err)
		got[e.Name()] = string(text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// pair returns a public and a secret file in a directory.
func pair(dir, text string) []File {
	return []File{{filepath.Join(dir, "x"), []byte("public " + text), 0o644}, {filepath.Join(dir, "x_secret"), []byte("secret " + text), 0o600}}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := map[string]string{"x": "public 1", "x_secret": "secret 1"}
	ztest.Must(t, Create(pair(dir, "1")...))
	check(t, dir, one)
	// All are created or none, whichever of them exists.
	for _, name := range []string{"x", "x_secret"} {
		ztest.Must(t, os.Remove(filepath.Join(dir, name)))
		left := map[string]string{"x": "public 1", "x_secret": "secret 1"}
		delete(left, name)
		if err := Create(pair(dir, "2")...); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got %v", err)
		}
		check(t, dir, left)
		ztest.Must(t, os.Remove(filepath.Join(dir, map[string]string{"x": "x_secret", "x_secret": "x"}[name])))
		ztest.Must(t, Create(pair(dir, "1")...))
	}
}

// TestReplaceKeepsLast: the last file, the secret one, is replaced after all others. If
// it can't be replaced, the others are restored.
func TestReplaceKeepsLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ztest.Must(t, Create(pair(dir, "1")...))
	var placed []string
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		ztest.Must(t, err)
		return string(text)
	}
	ztest.Must(t, replace(pair(dir, "2"), func(path string) {
		placed = append(placed, filepath.Base(path)+": "+read("x")+", "+read("x_secret"))
	}))
	if diff := cmp.Diff([]string{"x: public 2, secret 1", "x_secret: public 2, secret 2"}, placed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	two := map[string]string{"x": "public 2", "x_secret": "secret 2"}
	check(t, dir, two)

	ztest.Must(t, os.Remove(filepath.Join(dir, "x_secret")), os.Mkdir(filepath.Join(dir, "x_secret"), 0o700))
	if err := Replace(pair(dir, "3")...); !errors.Is(err, ErrNotRegular) {
		t.Errorf("got %v", err)
	}
	ztest.Must(t, os.Remove(filepath.Join(dir, "x_secret")))
	check(t, dir, map[string]string{"x": "public 2"})
	// A directory replaces it.
	obstruct := func(string) { ztest.Must(t, os.Mkdir(filepath.Join(dir, "x_secret"), 0o700)) }
	err := replace(pair(dir, "4"), obstruct)
	if err == nil || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("got %v", err)
	}
	ztest.Must(t, os.Remove(filepath.Join(dir, "x_secret")))
	check(t, dir, map[string]string{"x": "public 2"})
	ztest.Must(t, os.Remove(filepath.Join(dir, "x")))
	if err := replace(pair(dir, "5"), obstruct); err == nil {
		t.Error("done")
	}
	ztest.Must(t, os.Remove(filepath.Join(dir, "x_secret")))
	check(t, dir, map[string]string{})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := File{filepath.Join(dir, "missing", "x"), nil, 0o600}
	for _, write := range []func(...File) error{Create, Replace} {
		err := write(missing, File{filepath.Join(dir, "missing", "y"), nil, 0o600})
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing.Path) || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("got %v", err)
		}
		if err := write(File{dir + string(filepath.Separator), nil, 0o600}); err == nil {
			t.Error("a directory was replaced")
		}
	}
	check(t, dir, map[string]string{})
}

// TestMany: the longest name, and many files at once.
func TestMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := map[string]string{}
	var files []File
	for i := range 300 {
		name := fmt.Sprintf("%03d%s", i, strings.Repeat("x", 252))
		want[name] = name
		files = append(files, File{filepath.Join(dir, name), []byte(name), 0o600})
	}
	ztest.Must(t, Create(files...))
	check(t, dir, want)
	checkSynced(t, dir, 1)
	ztest.Must(t, Replace(files...))
	check(t, dir, want)
	checkSynced(t, dir, 2)
}
