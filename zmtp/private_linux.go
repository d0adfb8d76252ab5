package zmtp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// makePrivate gives a Unix socket the mode 0600 before it is bound, and with it the
// file that Linux makes then (see unix(7)), whatever the umask is.
func makePrivate(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { unix.Fchmod(int(fd), 0o600) }) // else the file's mode is changed
}
