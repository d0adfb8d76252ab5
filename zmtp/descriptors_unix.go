//go:build unix

package zmtp

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// spareDescriptors is how many file descriptors of the process connections leave for
// everything else. Without them what decides about peers couldn't read who was revoked,
// and a peer could see to it.
const spareDescriptors = 64

// fewDescriptors is how many before those are few: connections that have proved nothing
// are dropped then, so that there is room for others.
const fewDescriptors = 32

// errDescriptors means that connections have taken all but those.
var errDescriptors = errors.New("too few file descriptors are left: raise their limit (ulimit -n)")

// checkDescriptors returns errDescriptors for a connection that takes one of the last
// file descriptors: a new one always has the lowest number that is free. It says
// whether it is one of the few before, or of those.
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
