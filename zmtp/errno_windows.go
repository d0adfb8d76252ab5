package zmtp

import (
	"errors"

	"golang.org/x/sys/windows"
)

// The network of Windows has numbers of its own for these. Package syscall gives its
// portable names to others, which nothing returns.

// isReset reports whether the peer has broken the connection off.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED)
}

// isInUse reports whether somebody listens at an address already.
func isInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// isRefused reports whether nobody listens at an address.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
