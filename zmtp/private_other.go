//go:build !linux

package zmtp

import "syscall"

// makePrivate can do nothing here: until the mode of the socket's file is changed the
// umask alone protects it.
func makePrivate(string, string, syscall.RawConn) error { return nil }
