//go:build !unix

package main

import (
	"io/fs"
	"os"
)

// keepModes does nothing: who may read a file is a matter of its directory here.
func keepModes(*os.File, fs.FileInfo, bool) (bool, error) { return true, nil }

// syncDir does nothing: there are no directories to sync here.
func syncDir(string) error { return nil }
