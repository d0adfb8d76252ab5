package keystore

import (
	"os"
	"path/filepath"
	"time"
)

// stamp is how a file looked when it was read: as long as it looks the same, its
// content is the same. That is told without reading it.
type stamp struct {
	exists   bool // as a regular file
	size     int64
	modified time.Time
	changed  time.Time // of the inode, where there is one; nobody can set it back
	inode    uint64
	at       time.Time // when this was seen; zero if it is to be compared only
}

// settled is how long a file must have been left alone for its stamp to tell
// anything: the clocks of file systems are coarse.
const settled = 2 * time.Second

// isSettled reports whether a later change will give the file another stamp.
func (s stamp) isSettled() bool {
	last := s.modified
	if s.changed.After(last) {
		last = s.changed
	}
	return s.exists && s.at.Sub(last) > settled
}

// same reports whether two stamps are of the same file in the same state.
func (s stamp) same(t stamp) bool {
	s.at, t.at = time.Time{}, time.Time{}
	return s == t
}

// stampOf looks at a file.
func (d *dir) stampOf(name string) stamp {
	info, err := os.Stat(filepath.Join(d.path, name))
	if err != nil || !info.Mode().IsRegular() {
		return stamp{}
	}
	s := stamp{exists: true, size: info.Size(), modified: info.ModTime().Round(0).UTC(), at: time.Now()}
	s.changed, s.inode = inodeOf(info)
	return s
}
