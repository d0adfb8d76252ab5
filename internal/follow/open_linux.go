package follow

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const nonblock = unix.O_NONBLOCK

// hasWriter reports whether a process has the file open for writing, if the system
// tells: only then it refuses a lease, which is given back at once. It tells who
// owns the file or may do so by CAP_LEASE, of file systems that have leases.
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
