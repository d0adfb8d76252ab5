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

// checkServer refuses the server of an ipc endpoint if any user could have started it: if
// it runs neither as root nor as the user of this process, and every user can create a
// socket at its path. There is no such check for TCP.
func checkServer(nc net.Conn, endpoint string) error {
	conn, isUnix := nc.(*net.UnixConn)
	if !isUnix {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var server *syscall.Ucred // the process that called listen
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		server, optErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if optErr != nil {
		return fmt.Errorf("cannot find out which user runs the server: %w", optErr)
	}
	if server.Uid == 0 || int(server.Uid) == os.Geteuid() {
		return nil
	}
	if err := checkPlace(strings.TrimPrefix(endpoint, "ipc://")); err != nil {
		return fmt.Errorf("the server at %s runs as user %d, but every user could run it: %w", endpoint, server.Uid, err)
	}
	return nil
}

// checkPlace refuses the path of a socket if every user can replace the socket, or could
// have created a directory or a link of the path. It checks each directory of the path
// and of the targets of links.
func checkPlace(path string) error {
	if strings.HasPrefix(path, "@") {
		return errors.New("every user can bind an abstract name: use a path")
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

// checkWay refuses a path if every user can write to one of its directories. The path is
// relative to dir, which is not a link.
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
		if err != nil { // not a link
			dir = filepath.Join(dir, name) // ".." too
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

// maxLinks is the largest number of links in a path, as on Linux.
const maxLinks = 40
