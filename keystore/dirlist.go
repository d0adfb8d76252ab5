package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// found is what there is in a directory.
type found struct {
	names     []string // of the files that count, within it
	dirs      []string // those in which changes matter
	leftovers []string // names that end as what programs leave behind
	lost      []string // directories that can't be read, within it
}

// isLost reports whether a file is in a directory that can't be read.
func (f *found) isLost(name string) bool {
	return slices.ContainsFunc(f.lost, func(dir string) bool { return strings.HasPrefix(name, dir+string(filepath.Separator)) })
}

// maxDepth is how deep directories are read.
const maxDepth = 16

// list returns what there is. A link to a directory is followed. One that can't be
// read is in the log, and keeps no other from being read, unless it is the store
// itself.
func (d *dir) list() (*found, error) {
	f := &found{dirs: []string{d.path, filepath.Dir(d.path)}}
	if _, err := os.Stat(d.recordsPath()); err == nil {
		f.dirs = append(f.dirs, d.recordsPath())
	}
	if target, err := filepath.EvalSymlinks(d.path); err == nil && target != d.path {
		f.dirs = append(f.dirs, filepath.Dir(target))
	}
	if err := d.listIn("", f, nil, false); err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return f, nil
}

// listIn adds what is in a directory within the store. above are the directories
// around it, such that a link to one of them isn't followed for ever. linked says
// that a link led there: within it none is followed, because a few that lead to one
// another have more paths than can be counted.
func (d *dir) listIn(dir string, f *found, above []fs.FileInfo, linked bool) error {
	path := filepath.Join(d.path, dir)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if len(above) > maxDepth || slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) }) {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	above = append(slices.Clip(above), info)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		isDir, isLink := e.IsDir(), e.Type()&fs.ModeSymlink != 0
		if isLink {
			target, err := os.Stat(filepath.Join(d.path, name))
			isDir = err == nil && target.IsDir()
		}
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case isDir && isLink && linked:
			if !d.lost[name] {
				d.lost[name] = true
				d.log.Error("a link within a linked directory isn't followed: nothing in it is known", "link", filepath.Join(d.path, name))
			}
		case isDir:
			f.dirs = append(f.dirs, filepath.Join(d.path, name))
			if !isGroupName(e.Name()) && !d.unnamed[name] {
				d.unnamed[name] = true
				d.log.Error("a directory is no group: its name has a comma, a control character, or blanks at its ends", "directory", filepath.Join(d.path, name))
			}
			switch err := d.listIn(name, f, above, linked || isLink); {
			case err == nil:
				delete(d.lost, name)
			case errors.Is(err, fs.ErrNotExist): // it has just gone
			default:
				f.lost = append(f.lost, name)
				if !d.lost[name] {
					d.lost[name] = true
					d.log.Error("a group can't be read: what was known of it stays", "err", err)
				}
			}
		case isLeftover(e.Name()):
			f.leftovers = append(f.leftovers, name)
		case counts(e.Name()):
			f.names = append(f.names, name)
		}
	}
	return nil
}
