package keystore

import (
	"io/fs"
	"syscall"
	"time"
)

// inodeOf returns when a file's inode was changed, and its number.
func inodeOf(info fs.FileInfo) (changed time.Time, inode uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return changed, 0
	}
	return time.Unix(int64(s.Ctim.Sec), int64(s.Ctim.Nsec)).UTC(), s.Ino
}
