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

// Watch watches the policy file, its revocation lists and its keystores until ctx is
// done, and applies their changes. An invalid change is logged and tried again; until it
// is valid, nothing changes. It also remembers the keys that are revoked in keystores of
// the program. Watch returns nil, except for the zero value. Only one call may run at a
// time.
func (p *Policy) Watch(ctx context.Context) error {
	if err := p.usable(); err != nil {
		return err
	}
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

// tellBusy is how long a file may be open for writing before that is logged.
const tellBusy = 10 * time.Second

// watch is the state of a Watch.
type watch struct {
	*Policy
	looked      time.Time                 // when the files were last checked
	generations map[keystore.Store]uint64 // of the revocations in each keystore
	failed      string                    // why the last change couldn't be applied
	forgetful   string                    // why the state couldn't be written
	busy        time.Time                 // since when a file is being written; zero if no file is
	toldBusy    bool                      // it takes long, and this was logged
}

// look applies all changes.
func (w *watch) look(now time.Time) (next follow.Next) {
	next = w.lookAtFiles(now)
	generations := map[keystore.Store]uint64{}
	for _, s := range w.current.Load().stores {
		generations[s] = s.Generation()
	}
	if !maps.Equal(generations, w.generations) || !w.memory.isSaved() {
		err := w.learn()
		if err != nil && err.Error() != w.forgetful {
			w.log.Error("writing the state failed: a restart would forget which keys were revoked", "err", err)
		}
		w.generations, w.forgetful = generations, ""
		if err != nil {
			w.forgetful = err.Error()
		}
	}
	w.looked = now
	return next
}

// lookAtFiles reloads the file and its revocation lists, if one of them may have changed or
// a list has expired.
func (w *watch) lookAtFiles(now time.Time) (next follow.Next) {
	s := w.current.Load()
	w.mu.Lock()
	stamp, changed := w.stamp, w.loads.Failed != ""
	w.mu.Unlock()
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
				w.log.Warn("file is still open for writing: keeping the previous policy", "file", path)
			}
			return next
		}
	}
	w.busy, w.toldBusy = time.Time{}, false
	switch err := w.reload(false); {
	case err == nil:
		w.failed = ""
	case err.Error() != w.failed:
		w.log.Error("reloading the policy failed: keeping the previous one", "file", w.file, "err", err)
		w.failed = err.Error()
	}
	return next
}

// dirsOf returns the directories to watch for a file: its own, and that of its target if it
// is a link.
func dirsOf(path string) []string {
	dirs := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != dirs[0] {
		dirs = append(dirs, filepath.Dir(target))
	}
	return dirs
}
