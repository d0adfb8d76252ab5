package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
)

// saveInPlace replaces a file as replaceFile does, and writes its name to the disk.
func saveInPlace(cmd *cobra.Command, path string, appendText func([]byte) ([]byte, error), isSecret bool) error {
	dir, err := replaceFile(cmd, path, appendText, isSecret)
	if err == nil {
		err = syncDir(dir)
	}
	return err
}

// replaceFile replaces a file as a whole by what appendText appends, and returns its
// directory, which is to be synced. A link stays one: what it leads to is replaced.
// Owner, group and mode are kept, as far as this process may; a secret gets none
// that lets more users read it.
func replaceFile(cmd *cobra.Command, path string, appendText func([]byte) ([]byte, error), isSecret bool) (dir string, err error) {
	text, err := appendText(nil)
	if err != nil {
		return "", err
	}
	defer clear(text)
	failed := func(err error) (string, error) { return "", fmt.Errorf("writing %s failed: %w", path, err) }
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return failed(err)
	}
	old, err := os.Stat(target)
	if err != nil {
		return failed(err)
	}
	if !old.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s: not a regular file", cert.ErrFile, path)
	}
	dir, base := filepath.Split(target)
	temp := dir + "." + base + "." + rand.Text() + ".tmp"
	kept, err := writeLike(temp, text, old, isSecret)
	if err == nil {
		err = os.Rename(temp, target)
	}
	if err != nil {
		os.Remove(temp)
		return failed(err)
	}
	if !kept {
		warn(cmd, "%s: its owner or group cannot be kept: it now belongs to you", path)
	}
	return filepath.Clean(dir), nil
}

// writeLike writes a new file, whole and on the disk, with the owner, group and mode
// of another, and reports whether owner and group are the same. Nobody else can
// open it before it has them.
func writeLike(path string, text []byte, like fs.FileInfo, isSecret bool) (kept bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	_, err = f.Write(text)
	if err == nil {
		kept, err = keepModes(f, like, isSecret)
	}
	if err == nil {
		err = f.Sync()
	}
	return kept, errors.Join(err, f.Close())
}

// keptMode is the mode of a file that replaces one with this mode. One that lets
// everybody read a secret says nothing of who should: only the owner does then.
func keptMode(old fs.FileMode, isSecret bool) fs.FileMode {
	if isSecret && old.Perm()&0o007 != 0 {
		return 0o600
	}
	return old.Perm()
}
