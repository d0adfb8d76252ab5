package follow

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollEvery is how often everything is looked at in any case. Where looking takes
	// long it is less often: pollShare times as long as that at least.
	pollEvery = 500 * time.Millisecond
	pollShare = 20
	// gather is how long changes are gathered before they are told.
	gather = 50 * time.Millisecond
	// told is the longest interval that isn't worth a word.
	told = time.Second
)

// Follower calls a function when something on the disk may have changed.
type Follower struct {
	Name string        // what is followed, for the log
	Log  *slog.Logger  // must not be nil
	Poll time.Duration // how often to look in any case; zero means half a second
	Deaf bool          // don't listen to what the system tells: poll only

	newWatcher func() (*fsnotify.Watcher, error) // for tests; nil for that of fsnotify
}

// Next is what a look leads to.
type Next struct {
	Dirs  []string      // the directories whose changes matter; nil for those as before
	After time.Duration // look again after this long at the latest, if it isn't zero
}

// Follow calls look at once and whenever something may have changed, until ctx is
// done. look gets the paths that the system told of, with all true if it must look
// at everything. It is never called twice at a time.
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
			if interval > told && f.Poll <= told && !slow {
				slow = true
				f.Log.Warn("looking at everything takes long: where the system doesn't tell of changes, they are seen late",
					"what", f.Name, "after", interval.Round(time.Second))
			}
			w.poll.Reset(interval)
		}
		paths, all = nil, false
		if next.Dirs != nil && w.watch(next.Dirs) {
			all = true // what changed between the look and now wasn't told
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
				paths = append(paths, event.Name)
				if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
					delete(w.ids, event.Name) // another of that name is watched anew
				}
				if gathered == nil {
					gathered = time.After(gather)
				}
			case <-w.errors: // some were lost
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

// watches are the directories that the system tells of.
type watches struct {
	Follower
	watcher *fsnotify.Watcher // nil if the system has none to give
	events  <-chan fsnotify.Event
	errors  <-chan error
	ids     map[string]Stamp // those that are watched, as they were then
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
		w.Log.Warn("the system can't tell of changes: they are looked for", "what", w.Name, "every", w.Poll, "err", err)
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

// watch watches these directories and no others. What can't be watched is polled.
// One that was exchanged, by a link or a mount, is watched anew. It reports whether one
// is watched that wasn't before.
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
