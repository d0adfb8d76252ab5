//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// withPrivateFiles makes this process create files for its user alone, until restore is
// called.
func withPrivateFiles() (restore func()) {
	before := syscall.Umask(0o077)
	return func() { syscall.Umask(before) }
}

// shareSocket sets the mode of an ipc endpoint's socket, and its group unless group is
// "".
func shareSocket(path string, mode fs.FileMode, group string) error {
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return fmt.Errorf("--socket-group %s: %w", group, err)
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("changing the group of the socket to %s: %w", group, err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("changing the mode of the socket: %w", err)
	}
	return nil
}

// groupID looks up a group by name or number.
func groupID(group string) (int, error) {
	g, err := user.LookupGroup(group)
	if err != nil {
		id, numErr := strconv.ParseUint(group, 10, 31)
		if numErr != nil {
			return 0, err
		}
		return int(id), nil
	}
	return strconv.Atoi(g.Gid)
}
