package zmtp

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isReset reports whether the peer has aborted the connection. The network of Windows
// returns its own error numbers. Package syscall defines its portable names as others,
// which nothing returns.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED)
}
