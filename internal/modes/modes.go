// Package modes finds files that other users can change, among those that decide who is
// admitted. On Windows, which has no modes, it finds no such files.
package modes

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/zcurve/zcurve/internal/storeurl"
)

// othersWrite are the bits that let the group or all users write.
const othersWrite = 0o022

// Writable returns how users other than its owner can change or replace a file, and the
// command that prevents it, or "". It returns "" for a file that can't be examined.
func Writable(path string) string {
	if runtime.GOOS == "windows" {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if info.Mode()&othersWrite != 0 {
		return fmt.Sprintf("%s: mode %04o: other users can change it: chmod go-w %s", path, info.Mode().Perm(), path)
	}
	dirs := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		// In a sticky directory such as /tmp, users can replace only their own files.
		if info, err := os.Stat(dir); err == nil && info.Mode()&othersWrite != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Sprintf("%s: other users can replace it: directory %s has mode %04o: chmod go-w %s", path, dir, info.Mode().Perm(), dir)
		}
	}
	return ""
}

// Readable returns how all users can read a file, and the command that prevents it, or
// "".
func Readable(path string) string {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode()&0o004 == 0 {
		return ""
	}
	return fmt.Sprintf("%s: mode %04o: all users can read it: chmod o-r %s", path, info.Mode().Perm(), path)
}

// Store returns how other users can change a keystore, and the command that prevents it,
// or "".
func Store(url string) string {
	switch kind, path := storeurl.Split(url); {
	case kind == storeurl.Dir:
		return tree(path)
	case storeurl.HasPath(kind):
		return Writable(path)
	}
	return ""
}

// tree returns how other users can change a directory or anything in it.
func tree(dir string) string {
	if why := Writable(dir); why != "" || runtime.GOOS == "windows" {
		return why
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	found, first := 0, ""
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Mode()&othersWrite == 0 || info.IsDir() && info.Mode()&fs.ModeSticky != 0 {
			return nil
		}
		if found++; found == 1 {
			first = fmt.Sprintf("%s: mode %04o: other users can change it", path, info.Mode().Perm())
		}
		return nil
	})
	switch found {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s: chmod -R go-w %s", first, dir)
	}
	return fmt.Sprintf("%s, and %d more files and directories: chmod -R go-w %s", first, found-1, dir)
}

// IsMounted reports whether systemd or Kubernetes provides a secret at path. Its mode
// looks too wide, but they decide who can reach it.
func IsMounted(path string) bool {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	target, err := os.Readlink(path) // ..data is a link to the current version
	return err == nil && strings.HasPrefix(target, "..data"+string(filepath.Separator))
}
