package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// checkServer refuses the server of an ipc endpoint that may be any user's: one that
// runs neither as root nor as our own user, at a place where every user can put a
// socket. There is no such check for TCP.
func checkServer(nc net.Conn, endpoint string) error {
	conn, isUnix := nc.(*net.UnixConn)
	if !isUnix {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var server *syscall.Ucred // who has called listen
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		server, optErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if optErr != nil {
		return fmt.Errorf("asking the system who runs the server failed: %w", optErr)
	}
	if server.Uid == 0 || int(server.Uid) == os.Geteuid() {
		return nil
	}
	if err := checkPlace(strings.TrimPrefix(endpoint, "ipc://")); err != nil {
		return fmt.Errorf("the server at %s runs as user %d and could be anyone's: %w", endpoint, server.Uid, err)
	}
	return nil
}

// checkPlace refuses the path of a socket where every user can put another, or could
// before the directory or link that is there was made.
func checkPlace(path string) error {
	if strings.HasPrefix(path, "@") {
		return errors.New("every user can take an abstract name: use a path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for _, dir := range []string{dir, real} {
		for last := ""; dir != last; last, dir = dir, filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err != nil {
				return err
			}
			if info.Mode().Perm()&0o002 != 0 {
				return fmt.Errorf("every user can write to %s: put the socket where only the server's user can, or use CURVE", dir)
			}
		}
	}
	return nil
}
