//go:build !windows

package zmtp

import (
	"errors"
	"syscall"
)

// isReset reports whether the peer has aborted the connection.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
