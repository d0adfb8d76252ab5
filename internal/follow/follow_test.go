package follow

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { ztest.Main(m) }

func write(t testing.TB, path, text string) {
	t.Helper()
	ztest.Must(t, os.WriteFile(path, []byte(text), 0o644))
}

// follows watches directories until the test ends. It returns, once there are events for
// them, a function that waits for an event of a path.
func follows(t *testing.T, f Follower, dirs ...string) (told func(what string, path string)) {
	t.Helper()
	log := new(ztest.Log)
	f.Name, f.Log = dirs[0], log.Logger()
	looks := make(chan []string, 1000)
	ztest.Background(t, func(ctx context.Context) error {
		f.Follow(ctx, func(paths []string, _ bool) Next {
			select {
			case looks <- slices.Clone(paths):
			default:
			}
			return Next{Dirs: dirs}
		})
		return nil
	})
	ztest.Receive(t, "the first look", looks)
	ztest.Receive(t, "the look at changes before they were watched", looks)
	return func(what, path string) {
		t.Helper()
		for !slices.Contains(ztest.Receive(t, what, looks), path) {
		}
	}
}

// TestTold: an event causes a look before the next poll, in directories that are watched
// from the start and in those that were replaced.
func TestTold(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := filepath.Join(base, "dir")
	ztest.Must(t, os.Mkdir(dir, 0o755))
	told := follows(t, Follower{Poll: time.Hour}, base, dir)
	write(t, filepath.Join(dir, "a"), "x")
	told("a new file", filepath.Join(dir, "a"))
	ztest.Must(t, os.Remove(filepath.Join(dir, "a")))
	told("it is gone", filepath.Join(dir, "a"))
	// By renaming, as a mount is replaced, and by removal, after which the inode may be the same.
	next := filepath.Join(base, "next")
	ztest.Must(t, os.Mkdir(next, 0o755), os.Rename(dir, filepath.Join(base, "old")), os.Rename(next, dir))
	told("exchanged", dir)
	changeUntilTold(t, told, filepath.Join(dir, "b"))
	ztest.Must(t, os.RemoveAll(dir), os.Mkdir(dir, 0o755))
	told("made again", dir)
	changeUntilTold(t, told, filepath.Join(dir, "c"))
}

// changeUntilTold changes a file until there is an event: the first changes may come
// before the directory is watched.
func changeUntilTold(t *testing.T, told func(what, path string), path string) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 10_000 {
			if os.WriteFile(path, []byte(strings.Repeat("x", i)), 0o644) != nil {
				return
			}
			select {
			case done <- struct{}{}:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	told("a file in its replacement", path)
	<-done
}

// TestPolledOnly: without events, Follow polls. If the system has no watches left, it logs
// that at the start.
func TestPolledOnly(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		log := new(ztest.Log)
		f := Follower{Name: "it", Log: log.Logger(), Deaf: deaf, Poll: time.Millisecond}
		f.newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
		looks := 0
		ctx, cancel := context.WithCancel(ztest.Context(t))
		f.Follow(ctx, func(_ []string, all bool) Next {
			if !all {
				t.Error("look was not told to look at everything")
			}
			if looks++; looks == 3 {
				cancel()
			}
			return Next{Dirs: []string{t.TempDir()}}
		})
		if looks != 3 || (log.Count("level=WARN", "watching failed", "too many open files") == 1) == deaf {
			t.Errorf("deaf %v: %d looks, log:\n%s", deaf, looks, log)
		}
	}
}

// TestAtOnce: what AtOnce has applied causes no look.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	applied := make(chan string, 1000)
	f := Follower{Name: dir, Log: new(ztest.Log).Logger(), Poll: time.Hour, AtOnce: func(path string) bool {
		if filepath.Base(path) != "urgent" {
			return false
		}
		applied <- filepath.Base(path)
		return true
	}}
	looks := make(chan []string, 1000)
	ztest.Background(t, func(ctx context.Context) error {
		f.Follow(ctx, func(paths []string, _ bool) Next {
			looks <- slices.Clone(paths)
			return Next{Dirs: []string{dir}}
		})
		return nil
	})
	ztest.Receive(t, "the first look", looks)
	ztest.Receive(t, "the look at changes before they were watched", looks)
	write(t, filepath.Join(dir, "urgent"), "x")
	ztest.Receive(t, "the urgent event", applied)
	write(t, filepath.Join(dir, "other"), "x")
	for _, path := range ztest.Receive(t, "a look", looks) {
		if filepath.Base(path) != "other" {
			t.Errorf("a look at %s", path)
		}
	}
}

// TestAfter: a look can request another look.
func TestAfter(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	looks := 0
	Follower{Log: new(ztest.Log).Logger(), Deaf: true, Poll: time.Hour}.Follow(ctx, func(_ []string, all bool) Next {
		if looks++; looks == 3 {
			cancel()
		}
		return Next{After: time.Millisecond}
	})
	if looks != 3 {
		t.Errorf("%d looks", looks)
	}
}

// TestStamp: a stamp shows every later change if the file wasn't written for a while
// before it was taken. Otherwise, it shows nothing.
func TestStamp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	write(t, path, "one")
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	ztest.Must(t, os.Chtimes(path, old, old))
	settledAt := func(path string) Stamp {
		s := Look(path)
		s.at = s.at.Add(2 * settled) // as if the stamp were taken later
		return s
	}
	if Look(path).IsOf(path) {
		t.Error("a file that was just changed counts as settled")
	}
	if s := settledAt(path); !s.IsOf(path) || !s.Exists() || s.Changed().Before(old) {
		t.Errorf("%+v", s)
	}
	for _, tt := range []struct {
		name   string
		change func() error
	}{
		{"equal size and time", func() error {
			return errors.Join(os.WriteFile(path, []byte("two"), 0o644), os.Chtimes(path, old, old))
		}},
		{"exchanged by rename", func() error {
			return errors.Join(os.WriteFile(path+".new", []byte("two"), 0o644), os.Chtimes(path+".new", old, old), os.Rename(path+".new", path))
		}},
		{"a directory", func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }},
		{"a file again", func() error { return errors.Join(os.Remove(path), os.WriteFile(path, []byte("one"), 0o644)) }},
		{"gone", func() error { return os.Remove(path) }},
		{"a link", func() error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "b"), []byte("one"), 0o644), os.Symlink("b", path))
		}},
		{"the link's target", func() error { return os.WriteFile(filepath.Join(dir, "b"), []byte("three"), 0o644) }},
	} {
		before := settledAt(path)
		if !before.IsOf(path) {
			t.Errorf("before %s: not the same file", tt.name)
		}
		ztest.Must(t, tt.change())
		if before.IsOf(path) {
			t.Errorf("%s: not seen", tt.name)
		}
	}
}

// TestRead: Read reads only regular files that are complete and small enough.
func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	write(t, path, "0123456789")
	if text, stamp, err := ReadStill(path, 10); string(text) != "0123456789" || err != nil || !stamp.Exists() {
		t.Errorf("%q, %v", text, err)
	}
	ztest.Must(t, os.Symlink(path, filepath.Join(dir, "link")), os.Symlink("nowhere", filepath.Join(dir, "dangling")), os.Symlink("loop", filepath.Join(dir, "loop")))
	if text, _, err := ReadStill(filepath.Join(dir, "link"), 10); string(text) != "0123456789" || err != nil {
		t.Errorf("link: %q, %v", text, err)
	}
	for name, want := range map[string]error{"": ErrNotRegular, "missing": fs.ErrNotExist, "dangling": fs.ErrNotExist} {
		if _, _, err := Read(filepath.Join(dir, name), 10); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, _, err := Read(filepath.Join(dir, "loop"), 10); err == nil {
		t.Error("a link to itself was read")
	}
	if _, _, err := ReadStill(path, 9); !errors.Is(err, ErrLarge) {
		t.Errorf("large: %v", err)
	}
	// Changed while it is read.
	changing := func(*os.File, Stamp) bool {
		write(t, path, "0123456789 and more")
		return false
	}
	if _, _, err := read(path, 10, changing); !errors.Is(err, ErrBusy) {
		t.Errorf("changed meanwhile: %v", err)
	}
}
