package follow

import (
	"io/fs"
	"syscall"
	"time"
)

// inodeOf returns which inode a file has, and when it changed.
func inodeOf(info fs.FileInfo) (changed time.Time, device, inode uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return changed, 0, 0
	}
	return time.Unix(s.Ctimespec.Sec, s.Ctimespec.Nsec).UTC(), uint64(s.Dev), s.Ino
}
