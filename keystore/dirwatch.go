package keystore

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/internal/follow"
)

// Watch follows the directory until ctx is done: a file that is added, changed or
// removed takes effect within a second, and only that file is read. It first reads
// what has changed since Open.
func (d *dir) Watch(ctx context.Context) error {
	isLost := false       // it couldn't be read the last time
	var missing time.Time // since when it isn't there
	d.follower.Follow(ctx, func(paths []string, all bool) follow.Next {
		d.work.Lock()
		defer d.work.Unlock()
		var names []string
		for _, path := range paths {
			name, matters := d.nameOf(path)
			all = all || matters && name == ""
			if name != "" {
				names = append(names, name)
			}
		}
		var next follow.Next
		busy := false
		if all {
			dirs, more, err := d.updateAll(false)
			busy = busy || more
			switch {
			case err != nil && !isLost:
				d.log.Error("keystore can't be read: nothing new is known, and if it is gone no one", "err", err)
			case err == nil && isLost:
				d.log.Info("keystore can be read again", "keystore", d.path)
			}
			if isLost = err != nil; isLost {
				dirs = []string{filepath.Dir(d.path)}
			}
			switch {
			case !errors.Is(err, fs.ErrNotExist):
				missing = time.Time{}
			case missing.IsZero():
				missing, busy = time.Now(), true // it may be being exchanged
			case time.Since(missing) < follow.Stillness:
				busy = true
			default:
				d.update(slices.Collect(maps.Keys(d.files)), follow.Read)
			}
			next.Dirs = dirs
		}
		if d.update(names, follow.Read) { // thoroughly: these are known to have changed
			busy = true
		}
		if d.report(time.Now().Add(-follow.Stillness)) || busy {
			next.After = follow.Stillness
		}
		return next
	})
	return nil
}

// nameOf returns the name of a file within the store that the system told of, if it
// counts. matters with no name means that everything must be looked at.
func (d *dir) nameOf(path string) (name string, matters bool) {
	name, err := filepath.Rel(d.path, path)
	base := filepath.Base(path)
	switch {
	case err != nil || name == "." || strings.HasPrefix(name, ".."+string(filepath.Separator)):
		return "", filepath.Base(path) == filepath.Base(d.path) || !d.isThere()
	case strings.HasPrefix(name, recordsDir):
		return "", true
	case strings.HasPrefix(base, ".."):
		return "", true // Kubernetes swaps a link of such a name under all files
	case !counts(base):
		return "", false
	}
	// A directory that came or went is a group.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) && d.files[name] == nil {
		return "", true
	}
	return name, true
}

func (d *dir) isThere() bool {
	_, err := os.Stat(d.path)
	return err == nil
}
