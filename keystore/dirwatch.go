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

// Watch reads only files that change, and applies a change within a second.
func (d *dir) Watch(ctx context.Context) error {
	var out outage
	var again []string // files that were incomplete
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
		if all {
			dirs, busy, err := d.updateAll(false)
			again = append(again, busy...)
			if err != nil && dirs == nil {
				dirs = []string{filepath.Dir(d.path)}
			}
			gone, later := out.note(&d.memory, d.path, err)
			if againAll = later > 0; gone {
				d.update(slices.Collect(maps.Keys(d.files)), follow.Read)
			}
			next.Dirs = dirs
		}
		if d.unsure { // add nothing before the revocations are known
			again = append(again, names...)
			slices.Sort(again)
			again = slices.Compact(again)
			next.After = follow.Stillness
			return next
		}
		again = append(again, d.update(names, follow.Read)...)
		if d.report(time.Now().Add(-follow.Stillness)) || againAll || len(again) > 0 {
			next.After = follow.Stillness
		}
		return next
	})
	return nil
}

// applyAtOnce applies a new revocation without waiting for other events. This package
// replaces a record as a whole. Another program may be writing one, so what can't be read,
// and what lifts a revocation, waits for the look after the last event.
func (d *dir) applyAtOnce(path string) bool {
	if filepath.Dir(path) != d.recordsPath() {
		return false
	}
	key, ok := recordKey(filepath.Base(path))
	if !ok {
		return false
	}
	text, _, err := follow.ReadOwn(d.recordPath(key), maxRecord)
	if err != nil {
		return false
	}
	if r, err := parseRecord(key, text); err != nil || !r.InForce() {
		return false
	}
	d.work.Lock()
	defer d.work.Unlock()
	d.readRecord(key)
	return true
}

// nameOf returns the name, within the store, of a file that the system reports as
// changed. It returns "", true if everything must be read, and "", false if the change
// doesn't matter.
func (d *dir) nameOf(path string) (name string, matters bool) {
	name, err := filepath.Rel(d.path, path)
	base := filepath.Base(path)
	switch {
	case err != nil || name == "." || strings.HasPrefix(name, ".."+string(filepath.Separator)):
		return "", filepath.Base(path) == filepath.Base(d.path) || !d.isThere()
	case filepath.Dir(name) == recordsDir && strings.HasPrefix(base, ".") && !strings.HasPrefix(base, ".."):
		return "", false // a record that doesn't have its name yet
	case strings.HasPrefix(name, recordsDir):
		return "", true
	case strings.HasPrefix(base, ".."):
		return "", true // Kubernetes replaces all files at once, by replacing the link ..data
	case !counts(base):
		return "", false
	}
	// A directory that was created or removed may be a group.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) && d.files[name] == nil {
		return "", true
	}
	return name, true
}

func (d *dir) isThere() bool {
	_, err := os.Stat(d.path)
	return err == nil
}
