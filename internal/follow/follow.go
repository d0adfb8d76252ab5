package follow

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollEvery is the interval of polling. It is longer if looking at everything takes
	// long: at least pollShare times as long as a look.
	pollEvery = 500 * time.Millisecond
	pollShare = 20
	// gather is how long to collect events before a look.
	gather = 50 * time.Millisecond
	// promised is the time within which changes are noticed. A longer interval is
	// logged.
	promised = time.Second
)

// A Follower calls a function when something on the disk may have changed.
type Follower struct {
	Name string        // describes the watched thing, for the log
	Log  *slog.Logger  // must not be nil
	Poll time.Duration // the interval of polling; zero means half a second
	Deaf bool          // poll only, without events

	// AtOnce, if not nil, is called with the path of each event as it arrives. It returns true
	// if it has applied the change, which then causes no look. It must be quick, and it is
	// never called during a look.
	AtOnce func(path string) bool

	newWatcher func() (*fsnotify.Watcher, error) // for tests; nil means fsnotify's
}

// Next is the result of a look.
type Next struct {
	Dirs  []string      // the directories to watch; nil means the same as before
	After time.Duration // look again after this time at the latest; zero means no such time
}

// Follow calls look at once and whenever something may have changed, until ctx is done.
// paths are the paths of events; if all is true, look must look at everything. Follow never
// calls look twice at a time.
func (f Follower) Follow(ctx context.Context, look func(paths []string, all bool) Next) {
	if f.Poll == 0 {
		f.Poll = pollEvery
	}
	w := watches{Follower: f, ids: map[string]Stamp{}}
	defer w.close()
	w.open()
	var paths []string
	all := true
	slow := false
	for ctx.Err() == nil {
		start := time.Now()
		next := look(paths, all)
		took := time.Since(start)
		if all {
			interval := max(f.Poll, pollShare*took)
			if interval > promised && f.Poll <= promised && !slow {
				slow = true
				f.Log.Warn("scanning takes long: changes without events are noticed late",
					"file", f.Name, "interval", interval.Round(time.Second))
			}
			w.poll.Reset(interval)
		}
		paths, all = nil, false
		if next.Dirs != nil && w.watch(next.Dirs) {
			all = true // changes since the look had no events
			continue
		}
		var again <-chan time.Time
		if next.After > 0 {
			again = time.After(next.After)
		}
		var gathered <-chan time.Time
	wait:
		for {
			select {
			case <-ctx.Done():
				return
			case event, ok := <-w.events:
				if !ok {
					w.events = nil
					continue
				}
				if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
					delete(w.ids, event.Name) // to watch a new directory with this name
				}
				if f.AtOnce != nil && f.AtOnce(event.Name) {
					continue
				}
				paths = append(paths, event.Name)
				if gathered == nil {
					gathered = time.After(gather)
				}
			case <-w.errors: // events were lost
				all = true
				if gathered == nil {
					gathered = time.After(gather)
				}
			case <-gathered:
				break wait
			case <-again:
				break wait
			case <-w.poll.C:
				all = true
				break wait
			}
		}
	}
}

// watches holds the directories that have events.
type watches struct {
	Follower
	watcher *fsnotify.Watcher // nil if there are no events
	events  <-chan fsnotify.Event
	errors  <-chan error
	ids     map[string]Stamp // the watched directories, as they were at that time
	poll    *time.Timer
}

func (w *watches) open() {
	w.poll = time.NewTimer(w.Poll)
	if w.Deaf {
		return
	}
	if w.newWatcher == nil {
		w.newWatcher = fsnotify.NewWatcher
	}
	watcher, err := w.newWatcher()
	if err != nil {
		w.Log.Warn("watching failed: polling for changes", "file", w.Name, "interval", w.Poll, "err", err)
		return
	}
	w.watcher, w.events, w.errors = watcher, watcher.Events, watcher.Errors
}

func (w *watches) close() {
	w.poll.Stop()
	if w.watcher != nil {
		w.watcher.Close()
	}
}

// watch watches these directories and no others, and reports whether any is new. A
// directory that was replaced, by a link or a mount, counts as new. Directories that
// can't be watched are only polled.
func (w *watches) watch(dirs []string) (added bool) {
	if w.watcher == nil {
		return false
	}
	wanted := make(map[string]bool, len(dirs))
	for _, dir := range dirs {
		wanted[dir] = true
	}
	for dir := range w.ids {
		if !wanted[dir] {
			w.watcher.Remove(dir)
			delete(w.ids, dir)
		}
	}
	for dir := range wanted {
		info, err := os.Stat(dir)
		if err != nil {
			continue
		}
		_, device, inode := inodeOf(info)
		id := Stamp{device: device, inode: inode}
		if old, ok := w.ids[dir]; ok && old == id {
			continue
		}
		w.watcher.Remove(dir)
		if err := w.watcher.Add(dir); err == nil {
			w.ids[dir] = id
			added = true
		}
	}
	return added
}
