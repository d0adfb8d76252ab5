package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// gather is how long changes are gathered before they are put in force.
	gather = 50 * time.Millisecond
	// stillness is how long a file that is no certificate must stay so until
	// it is reported: somebody may be writing it.
	stillness = 250 * time.Millisecond
	// comeback is how often a directory that is gone is looked for.
	comeback = 200 * time.Millisecond
)

// Watch follows the directory until ctx is done: a file that is added, changed
// or removed takes effect within a fraction of a second, and only that file is
// read. It first reads everything again, for what has changed since Open. The
// error is nil when ctx is done, or says why the directory can't be watched.
func (d *Dir) Watch(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("keystore: watching %s failed: %w", d.path, err)
	}
	defer watcher.Close()
	err = watcher.Add(d.path)
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return fmt.Errorf("keystore: watching %s failed: %w", d.path, err)
	}
	w := watch{dir: d, watcher: watcher, names: map[string]bool{}, all: true, gone: gone}
	w.apply()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			w.note(event)
		case err := <-watcher.Errors:
			d.log.Warn("watching the keystore: reading all of it again", "keystore", d.path, "err", err)
			w.all = true
			w.changes = after(w.changes, gather)
		case <-w.changes:
			w.changes = nil
			w.apply()
		case <-w.still:
			w.still = nil
			if d.report(time.Now().Add(-stillness)) {
				w.still = time.After(stillness)
			}
		}
	}
}

// watch is what Watch knows.
type watch struct {
	dir     *Dir
	watcher *fsnotify.Watcher

	names   map[string]bool  // files that have changed
	all     bool             // everything may have changed
	gone    bool             // the directory isn't watched: it was removed or renamed
	lost    bool             // it couldn't be read the last time
	changes <-chan time.Time // when to apply
	still   <-chan time.Time // when to report
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
	name := filepath.Base(event.Name)
	switch {
	case event.Name == w.dir.path:
		if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
			w.gone, w.all = true, true
		}
	case strings.HasPrefix(name, ".."):
		w.all = true // Kubernetes swaps a link of such a name under all files
	case !counts(name):
		return
	default:
		w.names[name] = true
	}
	w.changes = after(w.changes, gather)
}

// apply puts in force what has changed.
func (w *watch) apply() {
	if w.gone {
		w.watcher.Remove(w.dir.path) // what the directory is now called isn't ours
		w.gone = w.watcher.Add(w.dir.path) != nil
	}
	if w.all {
		if err := w.dir.updateAll(); err != nil {
			w.dir.update(slices.Collect(maps.Keys(w.names))) // what is known to have gone
			clear(w.names)
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
	} else {
		w.dir.update(slices.Collect(maps.Keys(w.names)))
	}
	clear(w.names)
	if w.gone {
		w.changes = time.After(comeback)
	}
	w.still = after(w.still, stillness)
}
