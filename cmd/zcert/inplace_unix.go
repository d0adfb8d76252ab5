//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// keepModes gives a file the owner, the group and the mode of the one that it is to
// replace, and reports whether owner and group could be kept. Without its group, a
// secret isn't readable by one.
func keepModes(f *os.File, old fs.FileInfo, isSecret bool) (kept bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	mode := keptMode(old.Mode(), isSecret)
	was, is := old.Sys().(*syscall.Stat_t), info.Sys().(*syscall.Stat_t)
	kept = true
	if was.Gid != is.Gid && f.Chown(-1, int(was.Gid)) != nil {
		kept = false
		if isSecret {
			mode &^= 0o070
		}
	}
	if was.Uid != is.Uid && f.Chown(int(was.Uid), -1) != nil {
		kept = false
	}
	return kept, f.Chmod(mode)
}

// syncDir writes the names in a directory to the disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) { // which it is where directories can't be
		return err
	}
	return nil
}
