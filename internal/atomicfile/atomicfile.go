// Package atomicfile writes files so that a crash at any moment leaves either the old
// file or the new one, complete and on the disk, and no part of a secret anywhere else.
//
// On Linux, a file has no name until all of it is on the disk, so that a killed process
// leaves nothing behind. On file systems that can't do that, and while an existing file
// is being replaced, the file has a hidden name in the same directory, ".NAME.0.tmp".
// Writing NAME again removes the file that a killed process left there.
//
// On Windows, modes have no effect, directories aren't synced, and the files that a
// killed process left remain.
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

// ErrNotRegular means that a path is neither a regular file nor a link, and was not
// replaced.
var ErrNotRegular = errors.New("not a regular file")

// A File is a file to write.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode // applies from the start; a secret's has no bits for others
}

// writers is the number of files written at a time. A disk syncs many in the time it
// takes to sync one.
const writers = 16

// Create creates files in this order: all of them or none. If a file exists, it returns
// fs.ErrExist. Errors have the file's name. The umask applies to modes.
//
// Each directory is synced once, at the end. All files are open until then, so create at
// most a few hundred at a time.
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

// Replace is like Create, but replaces files that exist. If it can't replace a file, the
// error names it, and Replace restores the files before it. A crash leaves the first few
// files new and the others old, so put the file that must not be lost last.
//
// The new file gets the old one's owner and group, as far as permitted, and no mode bit
// that the old one doesn't have. A secret stays readable for the old one's group. A link
// is replaced, not its target. If the path is something else, such as a directory,
// Replace returns ErrNotRegular.
func Replace(files ...File) error { return replace(files, nil) }

// replace is Replace with a function to call after each file, unless it is nil.
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

// stage writes all files to the disk, but does not give them their names yet.
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

// staged is a file that is on the disk but doesn't have its name yet.
type staged struct {
	path string
	file *os.File
	temp string // its hidden name, if any
	kept string // a hidden name of the file that it replaced, if any
	lock *os.File
}

func stageOne(f File, replace bool) (s *staged, err error) {
	if !filepath.IsLocal(filepath.Base(f.Path)) { // NUL and the like, on Windows
		return nil, errors.New("invalid file name")
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
	_ = lock(s.file) // shows that the file is in use
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

// create gives a file its name, unless another file has it.
func (s *staged) create() error {
	if s.temp == "" {
		return link(s.file, s.path)
	}
	err := os.Link(s.temp, s.path) // unlike a rename, it fails if path exists
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without hard links. Another process could create the file between the
	// check and the rename, but such file systems offer nothing better.
	if _, statErr := os.Lstat(s.path); statErr == nil {
		return fs.ErrExist
	} else if !errors.Is(statErr, fs.ErrNotExist) {
		return err
	}
	return s.rename()
}

// replace gives a file its name, and takes the name from the file that has it.
func (s *staged) replace() (err error) {
	if s.temp == "" {
		s.temp, err = nameTemp(s.path, func(temp string) error { return link(s.file, temp) })
		if err != nil {
			return err
		}
	}
	return s.rename()
}

// rename moves the hidden file into place.
func (s *staged) rename() error {
	if runtime.GOOS == "windows" { // on systems that can't rename an open file
		s.file.Close()
	}
	err := os.Rename(s.temp, s.path)
	if err == nil {
		s.temp = ""
	}
	return err
}

// undo returns a function that restores the current file.
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
		_ = lock(s.lock) // shows that the file is in use
	}
	return func() { os.Rename(kept, s.path) }
}

// discard closes a file and removes its hidden names.
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

// dirOf returns the directory of a file.
func dirOf(path string) string {
	dir, _ := filepath.Split(path)
	if dir == "" {
		return "."
	}
	return dir
}

// failed replaces a hidden name in an error with the file's name.
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

// onSync is called for each synced directory, for tests.
var onSync = func(dir string) {}

// syncDirs syncs the directories of files.
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
