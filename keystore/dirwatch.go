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
	var out outage
	var again []string // files that were being written
	againAll := false
	d.follower.Follow(ctx, func(paths []string, all bool) follow.Next {
		d.work.Lock()
		defer d.work.Unlock()
		names := again
		all, againAll = all || againAll || d.unsure, false
		for _, path := range paths {
			name, matters := d.nameOf(path)
			all = all || matters && name == ""
			if name != "" {
				names = append(names, name)
			}
		}
		var next follow.Next
		again = nil
		if all { // the records of revocations first
			dirs, busy, err := d.updateAll(false)
			again = append(again, busy...)
			if err != nil && dirs == nil {
				dirs = []string{filepath.Dir(d.path)}
			}
			gone, later := out.note(d.log, d.path, err)
			if againAll = later > 0; gone {
				d.update(slices.Collect(maps.Keys(d.files)), follow.Read)
			}
			next.Dirs = dirs
		}
		if d.unsure { // what is new isn't known before the revocations are
			again = append(again, names...)
			slices.Sort(again)
			again = slices.Compact(again)
			next.After = follow.Stillness
			return next
		}
		again = append(again, d.update(names, follow.Read)...) // thoroughly: these are known to have changed
		if d.report(time.Now().Add(-follow.Stillness)) || againAll || len(again) > 0 {
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
