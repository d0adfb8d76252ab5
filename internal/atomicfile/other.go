//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

// lock does nothing: a file that is open can't be removed on Windows.
func lock(*os.File) error { return nil }

// openOwn is not used: nothing can be removed while it is open.
func openOwn(path string) (*os.File, error) { return nil, fs.ErrPermission }

// inherit does nothing: modes have no effect on Windows.
func inherit(*os.File, fs.FileInfo, fs.FileMode) error { return nil }

// SyncDir does nothing: Windows cannot sync directories.
func SyncDir(string) error { return nil }
