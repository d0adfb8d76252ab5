package keystore

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// gather is how long changes are gathered before they are put in force.
	gather = 50 * time.Millisecond
	// defaultStillness is how long a file that is no certificate must stay so until
	// it is reported: somebody may be writing it.
	defaultStillness = 250 * time.Millisecond
	// comeback is how often a directory that is gone is looked for.
	comeback = 200 * time.Millisecond
	// defaultPollEvery is how often all files are looked at, for file systems that tell
	// nothing of changes: NFS, and some mounts of containers. Where looking takes
	// long, it is less often: pollShare of the time at most.
	defaultPollEvery = 2 * time.Second
	pollShare        = 100
)

// Watch follows the directory until ctx is done: a file that is added, changed or
// removed takes effect within a fraction of a second, and only that file is
// read. Where the file system doesn't tell of changes, it is looked for them
// every two seconds. It first reads what has changed since Open.
func (d *dir) Watch(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("keystore: watching %s failed: %w", d.path, err)
	}
	defer watcher.Close()
	w := watch{dir: d, watcher: watcher, names: map[string]bool{}, all: true, gone: true}
	w.apply()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			w.note(event)
		case err := <-watcher.Errors:
			d.log.Warn("watching the keystore: looking at all of it again", "keystore", d.path, "err", err)
			w.all = true
			w.changes = after(w.changes, gather)
		case <-w.poll:
			w.all = true
			w.apply()
		case <-w.changes:
			w.changes = nil
			w.apply()
		case <-w.still:
			w.still = nil
			if d.report(time.Now().Add(-d.stillness)) {
				w.still = time.After(d.stillness)
			}
		}
	}
}

// watch is what Watch knows.
type watch struct {
	dir     *dir
	watcher *fsnotify.Watcher

	names   map[string]bool  // files that have changed
	all     bool             // everything may have changed
	gone    bool             // the directory isn't watched: it was removed or renamed
	lost    bool             // it couldn't be read the last time
	changes <-chan time.Time // when to apply
	still   <-chan time.Time // when to report
	poll    <-chan time.Time // when to look at everything
}

// after starts a timer, unless one runs.
func after(running <-chan time.Time, d time.Duration) <-chan time.Time {
	if running != nil {
		return running
	}
	return time.After(d)
}

// note takes an event in.
func (w *watch) note(event fsnotify.Event) {
	base := filepath.Base(event.Name)
	name, err := filepath.Rel(w.dir.path, event.Name)
	switch {
	case event.Name == w.dir.path:
		if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
			w.gone, w.all = true, true
		}
	case strings.HasPrefix(base, ".."):
		w.all = true // Kubernetes swaps a link of such a name under all files
	case err != nil || !counts(base):
		return
	default:
		if info, err := os.Stat(event.Name); err == nil && info.IsDir() || w.isWatched(event.Name) {
			w.all = true // a group has come, or gone
		}
		w.names[name] = true
	}
	w.changes = after(w.changes, gather)
}

// isWatched reports whether a directory is watched, which may be gone by now.
func (w *watch) isWatched(path string) bool { return slices.Contains(w.watcher.WatchList(), path) }

// watchAll watches the directory and those in it, and reports whether it is there.
func (w *watch) watchAll() (there bool) {
	filepath.WalkDir(w.dir.path, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir():
			return nil
		case path != w.dir.path && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		}
		// What can't be watched is polled.
		if w.watcher.Add(path) == nil && path == w.dir.path {
			there = true
		}
		return nil
	})
	return there
}

// apply puts in force what has changed.
func (w *watch) apply() {
	start := time.Now()
	if w.gone {
		w.watcher.Remove(w.dir.path) // what the directory is now called isn't ours
	}
	if w.gone || w.all {
		w.gone = !w.watchAll()
	}
	names := slices.Collect(maps.Keys(w.names))
	clear(w.names)
	w.dir.update(names) // at once, and thoroughly: these are known to have changed
	if w.all {
		if err := w.dir.updateAll(false); err != nil {
			if !w.lost {
				w.dir.log.Error("keystore can't be read: what was known stays in force", "err", err)
			}
			w.lost = true
			w.changes = time.After(comeback)
			return
		}
		if w.lost {
			w.dir.log.Info("keystore can be read again", "keystore", w.dir.path)
		}
		w.all, w.lost = w.gone, false
	}
	if w.gone {
		w.changes = time.After(comeback)
	}
	w.still = after(w.still, w.dir.stillness)
	w.poll = time.After(max(w.dir.pollEvery, pollShare*time.Since(start)))
}
