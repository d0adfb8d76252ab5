//go:build !unix

package main

import (
	"errors"
	"io/fs"
)

func withPrivateFiles() (restore func()) { return func() {} }

// shareSocket does nothing: the directory of a socket decides who can connect.
func shareSocket(_ string, _ fs.FileMode, group string) error {
	if group != "" {
		return errors.New("--socket-group is not supported on this system: put the socket in a directory that only its users can read")
	}
	return nil
}
