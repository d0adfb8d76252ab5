//go:build unix

package keystore

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo changes the owner and group of a directory to those of another directory, as far
// as permitted.
func giveTo(path string, other fs.FileInfo) {
	if s, ok := other.Sys().(*syscall.Stat_t); ok && os.Chown(path, int(s.Uid), int(s.Gid)) != nil {
		_ = os.Chown(path, -1, int(s.Gid))
	}
}
