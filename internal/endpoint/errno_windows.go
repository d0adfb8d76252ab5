package endpoint

import (
	"errors"

	"golang.org/x/sys/windows"
)

// The network of Windows returns its own error numbers. Package syscall defines its
// portable names with other numbers, which no call returns.

// isInUse reports whether another socket listens on the address.
func isInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// isRefused reports whether no socket listens on the address.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
