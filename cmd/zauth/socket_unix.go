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

// withPrivateFiles lets this process make files that its user alone can use, until
// restore is called. What may be open to others is opened afterwards.
func withPrivateFiles() (restore func()) {
	before := syscall.Umask(0o077)
	return func() { syscall.Umask(before) }
}

// shareSocket gives the socket of an ipc endpoint its group, if one is named, and its
// mode.
func shareSocket(path string, mode fs.FileMode, group string) error {
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return fmt.Errorf("--socket-group %s: %w", group, err)
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("giving the socket to group %s failed: %w", group, err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("changing the mode of the socket failed: %w", err)
	}
	return nil
}

// groupID finds a group by its name or number.
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
