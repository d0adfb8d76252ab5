package zmtp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent returns how many octets of what was written the peer's system doesn't have.
// For ipc it is about what the peer hasn't read. known is false for other connections.
func unsent(nc net.Conn) (octets int, known bool) {
	control(nc, func(fd int) {
		n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		octets, known = n, err == nil
	})
	return octets, known
}

// window returns how many octets more the peer's system is ready to take. It grows
// when the peer reads. It is 0 where it isn't known.
func window(nc net.Conn) (octets uint32) {
	if _, ok := nc.(*net.TCPConn); !ok {
		return 0
	}
	control(nc, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO); err == nil {
			octets = info.Snd_wnd
		}
	})
	return octets
}

// hasUnread reports whether octets have arrived that can be read.
func hasUnread(nc net.Conn) bool {
	octets := 0
	control(nc, func(fd int) { octets, _ = unix.IoctlGetInt(fd, unix.TIOCINQ) })
	return octets > 0
}

// control calls f with the file descriptor of a connection, if it has one.
func control(nc net.Conn, f func(fd int)) {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
