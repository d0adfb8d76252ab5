//go:build !windows

package endpoint

import (
	"errors"
	"syscall"
)

// isInUse reports whether another socket listens on the address.
func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// isRefused reports whether no socket listens on the address.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
