// Package atomicfile writes files such that a crash at any instant leaves the old file
// or the new one, whole and on the disk, and no part of a secret anywhere else.
//
// On Linux, a file has no name until all of it is on the disk, so that a process that
// is killed leaves nothing behind. Where that can't be had, and in the instant in which
// a file is replaced, it has a hidden name beside the file, ".NAME.0.tmp". What a
// killed process left under such a name is removed when NAME is written again.
//
// On Windows, modes mean nothing: who may read a file is what its directory says. A
// directory isn't synced there, and what a killed process left behind stays.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// ErrNotRegular means that something is in the place of a file that isn't a regular
// file or a link, and that isn't replaced.
var ErrNotRegular = errors.New("not a regular file")

// File is a file to be written.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode // from the first instant; a secret has no bits for others
}

// writers is how many files are written at a time: a disk takes many at once in the
// time of one.
const writers = 16

// Create writes files that don't exist yet: all of them, in this order, or none. The
// error is fs.ErrExist, or what else went wrong, with the file's name. The mode is
// less what the umask takes.
//
// Each directory is synced once, at the end. A file descriptor is open for each file
// meanwhile: write a few hundred at a time.
func Create(files ...File) error {
	staged, err := stage(files, false)
	defer discard(staged)
	if err != nil {
		return err
	}
	for i, s := range staged {
		if err = s.create(); err != nil {
			for _, placed := range staged[:i] {
				os.Remove(placed.path)
			}
			return failed(s.path, err)
		}
	}
	return syncDirs(staged)
}

// Replace writes files in the place of others, or new ones. If one can't be put in its
// place, the error says which, and those before are as they were. A crash leaves the
// first few new and the others as they were: so the last is the one that must not be
// lost. A file that exists keeps its owner and group where that is permitted, and the
// new one has no bit of Mode that the old one hasn't; a secret stays readable for the
// old one's group if it is in that group. A link is replaced, not what it points to. A
// directory, a pipe or a device is ErrNotRegular. Else it is as Create.
func Replace(files ...File) error { return replace(files, nil) }

// replace is Replace; after is called after each file that has got its name.
func replace(files []File, after func(path string)) error {
	staged, err := stage(files, true)
	defer discard(staged)
	if err != nil {
		return err
	}
	var undo []func()
	for i, s := range staged {
		if i < len(staged)-1 {
			undo = append(undo, s.undo())
		}
		if err = s.replace(); err != nil {
			for _, back := range undo[:i] {
				back()
			}
			return failed(s.path, err)
		}
		if after != nil {
			after(s.path)
		}
	}
	return syncDirs(staged)
}

// stage writes all files to the disk, without their names.
func stage(files []File, replace bool) ([]*staged, error) {
	all, errs := make([]*staged, len(files)), make([]error, len(files))
	var group errgroup.Group
	group.SetLimit(writers)
	for i, f := range files {
		group.Go(func() error {
			all[i], errs[i] = stageOne(f, replace)
			return nil
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil { // the first in order, not in time
			return all, failed(files[i].Path, err)
		}
	}
	return all, nil
}

// staged is a file that is on the disk and hasn't its name yet.
type staged struct {
	path string
	file *os.File
	temp string // its hidden name, or "" if it has none
	kept string // a hidden name of what it has replaced, or ""
	lock *os.File
}

func stageOne(f File, replace bool) (s *staged, err error) {
	if !filepath.IsLocal(filepath.Base(f.Path)) { // NUL and the like, on Windows
		return nil, errors.New("not a name for a file here")
	}
	var old fs.FileInfo
	if replace {
		if old, err = os.Lstat(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if old != nil && !old.Mode().IsRegular() && old.Mode().Type() != fs.ModeSymlink {
			return nil, ErrNotRegular
		}
	}
	s = &staged{path: f.Path}
	if s.file, err = openUnnamed(dirOf(f.Path), f.Mode); err != nil {
		s.temp, err = nameTemp(f.Path, func(temp string) (err error) {
			s.file, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	_ = lock(s.file) // what is locked isn't what a killed process left
	if old != nil && old.Mode().IsRegular() {
		err = inherit(s.file, old, f.Mode)
	}
	if err == nil {
		_, err = s.file.Write(f.Data)
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// create gives a file its name, which nothing else must have.
func (s *staged) create() error {
	if s.temp == "" {
		return link(s.file, s.path)
	}
	err := os.Link(s.temp, s.path) // unlike a rename, it fails if path exists
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without hard links. Between the look and the rename another
	// process could make the same file; nothing better is to be had there.
	if _, statErr := os.Lstat(s.path); statErr == nil {
		return fs.ErrExist
	} else if !errors.Is(statErr, fs.ErrNotExist) {
		return err
	}
	return s.rename()
}

// replace gives a file the name of another.
func (s *staged) replace() (err error) {
	if s.temp == "" {
		s.temp, err = nameTemp(s.path, func(temp string) error { return link(s.file, temp) })
		if err != nil {
			return err
		}
	}
	return s.rename()
}

// rename puts the hidden file in its place.
func (s *staged) rename() error {
	if runtime.GOOS == "windows" { // where an open file can't be renamed
		s.file.Close()
	}
	err := os.Rename(s.temp, s.path)
	if err == nil {
		s.temp = ""
	}
	return err
}

// undo returns a function that brings back what is in the place of the file now.
func (s *staged) undo() func() {
	if _, err := os.Lstat(s.path); err != nil {
		return func() { os.Remove(s.path) }
	}
	kept, err := nameTemp(s.path, func(temp string) error { return os.Link(s.path, temp) })
	if err != nil { // a file system without hard links
		return func() {}
	}
	s.kept = kept
	if s.lock, err = openOwn(kept); err == nil {
		_ = lock(s.lock) // or it would be taken for what a killed process left
	}
	return func() { os.Rename(kept, s.path) }
}

// discard removes what is left of a file but under its name.
func (s *staged) discard() {
	if s == nil {
		return
	}
	s.file.Close()
	if s.lock != nil {
		s.lock.Close()
	}
	for _, name := range []string{s.temp, s.kept} {
		if name != "" {
			os.Remove(name)
		}
	}
}

func discard(all []*staged) {
	for _, s := range all {
		s.discard()
	}
}

// dirOf is the directory of a file.
func dirOf(path string) string {
	dir, _ := filepath.Split(path)
	if dir == "" {
		return "."
	}
	return dir
}

// failed says which file an error is about, and not by a hidden name.
func failed(path string, err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	case errors.Is(err, ErrNotRegular):
		return fmt.Errorf("%s: %w", path, ErrNotRegular)
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	return fmt.Errorf("writing %s failed: %w", path, err)
}

// onSync is told each directory that was synced, for tests.
var onSync = func(dir string) {}

// syncDirs has the names of files on the disk.
func syncDirs(all []*staged) error {
	done := map[string]bool{}
	for _, s := range all {
		if dir := dirOf(s.path); !done[dir] {
			done[dir] = true
			if err := SyncDir(dir); err != nil {
				return failed(s.path, err)
			}
			onSync(dir)
		}
	}
	return nil
}
