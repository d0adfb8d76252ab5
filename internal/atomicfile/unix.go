//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock locks a file until it is closed. It returns an error if another process has
// locked it, or if the file system has no locks.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// openOwn opens a regular file if it belongs to this user.
func openOwn(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		stat := info.Sys().(*syscall.Stat_t)
		if !info.Mode().IsRegular() || int(stat.Uid) != os.Geteuid() && os.Geteuid() != 0 {
			err = fs.ErrPermission
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// inherit gives a file the owner, group and mode of the file that it replaces, as far as
// permitted, but no mode bit outside most.
func inherit(f *os.File, old fs.FileInfo, most fs.FileMode) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	was, is := old.Sys().(*syscall.Stat_t), info.Sys().(*syscall.Stat_t)
	group := was.Gid == is.Gid
	if !group || was.Uid != is.Uid {
		if f.Chown(int(was.Uid), int(was.Gid)) == nil || f.Chown(-1, int(was.Gid)) == nil {
			group = true
		}
	}
	mode := old.Mode().Perm()
	if secret := most&0o077 == 0; secret && group && mode&0o007 == 0 {
		most |= 0o040 // someone let the group read the old file on purpose
	}
	return f.Chmod(mode & most)
}

// SyncDir syncs a directory, if the file system can.
func SyncDir(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a directory may be writable but not readable
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
