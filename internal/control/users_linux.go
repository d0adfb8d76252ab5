package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// userOf returns the user that runs the other end of a connection.
func userOf(conn *net.UnixConn) (uid uint32, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid, ok = peer.Uid, true
		}
	})
	return uid, ok && err == nil
}
