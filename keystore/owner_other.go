//go:build !unix

package keystore

import "io/fs"

// giveTo does nothing: the directory inherits its permissions.
func giveTo(string, fs.FileInfo) {}
