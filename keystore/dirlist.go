package keystore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// found holds the contents of a store's directory.
type found struct {
	names     []string // of certificates, within the store
	dirs      []string // paths to watch
	leftovers []string // files that programs leave behind, within the store
	lost      []string // directories that can't be read, within the store
}

// isLost reports whether a file is in a directory that can't be read.
func (f *found) isLost(name string) bool {
	return slices.ContainsFunc(f.lost, func(dir string) bool { return strings.HasPrefix(name, dir+string(filepath.Separator)) })
}

// maxDepth is the depth of the deepest directory that is read.
const maxDepth = 16

// list lists the store. It follows links to directories. It logs directories that it
// can't read and continues, but returns an error if it can't read the store itself.
func (d *dir) list() (*found, error) {
	f := &found{dirs: []string{d.path, filepath.Dir(d.path)}}
	if _, err := os.Stat(d.recordsPath()); err == nil {
		f.dirs = append(f.dirs, d.recordsPath())
	}
	if target, err := filepath.EvalSymlinks(d.path); err == nil && target != d.path {
		f.dirs = append(f.dirs, filepath.Dir(target))
	}
	if err := d.listIn("", f, nil, false); err != nil {
		return nil, err
	}
	return f, nil
}

// listIn adds the contents of a directory within the store. above are the directories
// around it: following a link to one of them would never end. linked means that a link
// led here. In that case, no further link is followed, because a few directories that
// link to each other have more paths than can be read.
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
				d.log.Error("link within a linked directory: ignoring it", "file", filepath.Join(d.path, name))
			}
		case isDir:
			f.dirs = append(f.dirs, filepath.Join(d.path, name))
			if !isGroupName(e.Name()) && !d.unnamed[name] {
				d.unnamed[name] = true
				d.log.Error("directory is not a group: its name has a comma, a control character, or a space at an end", "file", filepath.Join(d.path, name))
			}
			switch err := d.listIn(name, f, above, linked || isLink); {
			case err == nil:
				delete(d.lost, name)
			case errors.Is(err, fs.ErrNotExist): // removed since ReadDir
			default:
				f.lost = append(f.lost, name)
				if !d.lost[name] {
					d.lost[name] = true
					d.log.Error("reading a group failed: keeping its last known identities", "file", filepath.Join(d.path, name), "err", err)
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
