package endpoint

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// makePrivate gives a Unix socket mode 0600 before it is bound. Linux gives the file the
// same mode (see unix(7)), whatever the umask is. If that fails, listen changes the mode
// of the file.
func makePrivate(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { unix.Fchmod(int(fd), 0o600) })
}
