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
// before the directory or link that is there was made. It looks at each directory on the
// way, also to where links lead.
func checkPlace(path string) error {
	if strings.HasPrefix(path, "@") {
		return errors.New("every user can take an abstract name: use a path")
	}
	if !filepath.IsAbs(path) {
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		path = dir + "/" + path // not cleaned: the system follows links before ".."
	}
	return checkWay("/", path)
}

// checkWay refuses a path below a directory that is no link if it leads through a
// directory that every user can write to.
func checkWay(dir, path string) error {
	for rest, links := strings.Split(path, "/"), 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o002 != 0 {
			return fmt.Errorf("every user can write to %s: put the socket where only the server's user can, or use CURVE", dir)
		}
		target, err := os.Readlink(filepath.Join(dir, name))
		if err != nil { // it is no link
			dir = filepath.Join(dir, name) // also of ".."
			continue
		}
		if links++; links > maxLinks {
			return fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		if filepath.IsAbs(target) {
			dir = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return nil
}

// maxLinks is how many links a path may go through, as on Linux.
const maxLinks = 40
