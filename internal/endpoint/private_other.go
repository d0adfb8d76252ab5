//go:build !linux

package endpoint

import "syscall"

// makePrivate does nothing here. Until listen changes the mode of the file, only the
// umask protects it.
func makePrivate(string, string, syscall.RawConn) error { return nil }
