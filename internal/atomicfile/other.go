//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

// lock does nothing: a file that is open can't be removed on Windows.
func lock(*os.File) error { return nil }

// openOwn opens a file.
func openOwn(path string) (*os.File, error) { return nil, fs.ErrPermission }

// inherit does nothing: modes mean nothing there.
func inherit(*os.File, fs.FileInfo, fs.FileMode) error { return nil }

// SyncDir does nothing: Windows can't be asked to.
func SyncDir(string) error { return nil }
