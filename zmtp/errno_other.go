//go:build !windows

package zmtp

import (
	"errors"
	"syscall"
)

// isReset reports whether the peer has broken the connection off.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isInUse reports whether somebody listens at an address already.
func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// isRefused reports whether nobody listens at an address.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
