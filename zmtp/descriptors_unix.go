//go:build unix

package zmtp

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// spareDescriptors is how many file descriptors connections leave to the rest of the
// process. Otherwise peers could keep the handler from reading who was revoked.
const spareDescriptors = 64

// fewDescriptors is how many file descriptors before the spare ones count as few. When a
// connection takes one of these, others that have proved nothing are dropped.
const fewDescriptors = 32

// errDescriptors means that only the spare file descriptors are left.
var errDescriptors = errors.New("too few file descriptors left: raise their limit (ulimit -n)")

// checkDescriptors returns errDescriptors for a connection that takes one of the spare file
// descriptors. few reports whether it takes one of these or of the few before them. A new
// descriptor always has the lowest free number.
func checkDescriptors(nc net.Conn) (few bool, err error) {
	var limit unix.Rlimit
	c, ok := nc.(syscall.Conn)
	if !ok || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return false, nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	most := uint64(limit.Cur)
	most -= min(spareDescriptors, most/4)
	var number uint64
	if err := raw.Control(func(fd uintptr) { number = uint64(fd) }); err != nil {
		return false, err
	}
	if number >= most {
		return true, errDescriptors
	}
	return number >= most-min(fewDescriptors, most/8), nil
}
