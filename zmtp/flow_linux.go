package zmtp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent returns how many of the written bytes the peer's system does not have. For ipc it
// counts roughly what the peer has not read. known is false for other connections.
func unsent(nc net.Conn) (bytes int, known bool) {
	control(nc, func(fd int) {
		n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		bytes, known = n, err == nil
	})
	return bytes, known
}

// window returns how many more bytes the peer's system accepts, which grows when the peer
// reads. It is 0 if unknown.
func window(nc net.Conn) (bytes uint32) {
	if _, ok := nc.(*net.TCPConn); !ok {
		return 0
	}
	control(nc, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO); err == nil {
			bytes = info.Snd_wnd
		}
	})
	return bytes
}

// hasUnread reports whether bytes have arrived that can be read.
func hasUnread(nc net.Conn) bool {
	bytes := 0
	control(nc, func(fd int) { bytes, _ = unix.IoctlGetInt(fd, unix.TIOCINQ) })
	return bytes > 0
}

// control calls f with the file descriptor of a connection, if it has one.
func control(nc net.Conn, f func(fd int)) {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
