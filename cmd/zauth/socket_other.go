//go:build !unix

package main

import (
	"errors"
	"io/fs"
)

func withPrivateFiles() (restore func()) { return func() {} }

// shareSocket can't change who may use a socket: its directory decides.
func shareSocket(_ string, _ fs.FileMode, group string) error {
	if group != "" {
		return errors.New("--socket-group: there are no groups of files here: use a directory that they can read")
	}
	return nil
}
