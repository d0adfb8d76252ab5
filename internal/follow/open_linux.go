package follow

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const nonblock = unix.O_NONBLOCK

// hasWriter reports whether a process has the file open for writing. ok is false if the
// system doesn't know. Linux refuses a lease on a file that is open for writing; if it
// grants one, hasWriter returns it at once. This works on file systems with leases, for
// the owner of the file or with CAP_LEASE.
func hasWriter(f *os.File) (written, ok bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, false
	}
	raw.Control(func(fd uintptr) {
		_, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
		if err == nil {
			unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	if errors.Is(err, unix.EAGAIN) {
		return true, true
	}
	return false, err == nil
}
