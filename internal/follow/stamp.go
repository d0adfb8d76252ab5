package follow

import (
	"io/fs"
	"os"
	"time"
)

// A Stamp holds the size, times and inode of a file when it was read. While they are the
// same, the content is the same.
type Stamp struct {
	exists        bool // as a regular file
	size          int64
	modified      time.Time
	changed       time.Time // of the inode, if the system has it; it cannot be set back
	device, inode uint64
	at            time.Time // when the stamp was taken
}

// settled is the time without writes after which every further write changes the stamp.
// The clocks of file systems are coarse.
const settled = 2 * time.Second

// Look returns the stamp of the file at path, or of the target of a link.
func Look(path string) Stamp {
	info, err := os.Stat(path)
	if err != nil {
		return Stamp{}
	}
	return stampOf(info)
}

func stampOf(info fs.FileInfo) Stamp {
	if !info.Mode().IsRegular() {
		return Stamp{}
	}
	s := Stamp{exists: true, size: info.Size(), modified: info.ModTime().Round(0).UTC(), at: time.Now()}
	s.changed, s.device, s.inode = inodeOf(info)
	return s
}

// Exists reports whether there was a regular file.
func (s Stamp) Exists() bool { return s.exists }

// Changed returns when the file was last written, renamed or replaced, as far as known.
func (s Stamp) Changed() time.Time {
	if s.changed.After(s.modified) {
		return s.changed
	}
	return s.modified
}

// IsOf reports whether the file at path is certainly the same as when s was taken.
func (s Stamp) IsOf(path string) bool { return s.isSettled() && s.same(Look(path)) }

// same reports whether two stamps show the same file in the same state.
func (s Stamp) same(t Stamp) bool {
	s.at, t.at = time.Time{}, time.Time{}
	return s == t
}

// isSettled reports whether every later change will give the file another stamp.
func (s Stamp) isSettled() bool {
	return !s.exists || s.at.Sub(s.Changed()) > settled
}
