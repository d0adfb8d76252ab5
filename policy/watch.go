package policy

import (
	"context"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore"
)

// Watch follows the file, its revocation lists and its keystores until ctx is done. It
// first reads what has changed since Load. A change that is wrong is in the log,
// changes nothing, and is tried again. Run it once at a time.
func (p *Policy) Watch(ctx context.Context) error {
	var followers sync.WaitGroup
	defer followers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	p.follower = func(s *openStore) {
		ctx, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		s.stop = func() {
			stop()
			<-done
		}
		followers.Go(func() {
			defer close(done)
			if err := s.Watch(ctx); err != nil {
				p.log.Error("keystore no longer watched", "err", err)
			}
		})
	}
	for _, s := range p.stores {
		p.follower(s)
	}
	p.mu.Unlock()
	followers.Go(func() { p.remind(ctx) })
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.follower = nil
	}()
	w := watch{Policy: p}
	follow.Follower{Name: p.file, Log: p.log, Deaf: p.deaf, Poll: p.poll}.Follow(ctx, func([]string, bool) follow.Next { return w.look(time.Now()) })
	return nil
}

// tellBusy is how long a file may be being written without a word.
const tellBusy = 10 * time.Second

// watch is what Watch knows.
type watch struct {
	*Policy
	looked      time.Time                 // when it was looked last
	generations map[keystore.Store]uint64 // of the revocations in each keystore
	failed      string                    // why the last change couldn't be put in force
	forgetful   string                    // why the state couldn't be written
	busy        time.Time                 // since when a file is being written; zero if none is
	toldBusy    bool                      // that it takes long
}

// look puts in force what has changed.
func (w *watch) look(now time.Time) (next follow.Next) {
	next = w.lookAtFiles(now)
	generations := map[keystore.Store]uint64{}
	for _, s := range w.current.Load().stores {
		generations[s] = s.Generation()
	}
	if !maps.Equal(generations, w.generations) || !w.memory.isSaved() {
		err := w.learn()
		if err != nil && err.Error() != w.forgetful {
			w.log.Error("what was revoked can't be remembered: a restart would forget it", "err", err)
		}
		w.generations, w.forgetful = generations, ""
		if err != nil {
			w.forgetful = err.Error()
		}
	}
	w.looked = now
	return next
}

// lookAtFiles reads the file and its revocation lists again, if one of them may have
// changed or a list has ended since.
func (w *watch) lookAtFiles(now time.Time) (next follow.Next) {
	s := w.current.Load()
	w.mu.Lock()
	stamp := w.stamp
	w.mu.Unlock()
	changed := w.failed != ""
	var paths []string
	if w.file != "" {
		next.Dirs = dirsOf(w.file)
		changed = changed || !stamp.IsOf(w.file)
		paths = append(paths, w.file)
	}
	for _, l := range s.lists {
		next.Dirs = append(next.Dirs, dirsOf(l.path)...)
		paths = append(paths, l.path)
		ended := !l.list.Expires.After(now) && l.list.Expires.After(w.looked)
		changed = changed || ended || !l.stamp.IsOf(l.path)
	}
	if !changed {
		return next
	}
	for _, path := range paths {
		if follow.IsBusy(path) {
			next.After = follow.Stillness
			switch {
			case w.busy.IsZero():
				w.busy = now
			case !w.toldBusy && now.Sub(w.busy) >= tellBusy:
				w.toldBusy = true
				w.log.Warn("a file has been open for writing for long: what was in force stays", "file", path)
			}
			return next
		}
	}
	w.busy, w.toldBusy = time.Time{}, false
	switch err := w.reload(); {
	case err == nil:
		w.failed = ""
	case err.Error() != w.failed:
		w.log.Error("reloading the policy failed: keeping the previous one", "file", w.file, "err", err)
		w.failed = err.Error()
	}
	return next
}

// dirsOf are the directories whose changes matter for a file: its own, and if it is a
// link that of what it links to.
func dirsOf(path string) []string {
	dirs := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != dirs[0] {
		dirs = append(dirs, filepath.Dir(target))
	}
	return dirs
}
