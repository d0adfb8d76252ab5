// Package regular reads files, which must be regular: opening a pipe or a device never
// blocks, and a file's size is bounded. It leaves no copy of the text in memory except
// the one that it returns.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

var (
	// ErrNotRegular means that a path is a directory, a pipe or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge means that a file is larger than the limit.
	ErrTooLarge = errors.New("larger than")
)

// Read returns the text of a file of at most limit bytes, and the file's mode.
func Read(path string, limit int) (text []byte, mode fs.FileMode, err error) {
	// Check the opened file, because the name could belong to another file by now.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		info, statErr := os.Stat(path)
		if statErr != nil {
			return nil, 0, statErr
		}
		if !info.Mode().IsRegular() { // a socket can't be opened
			return nil, 0, notRegular(path)
		}
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, notRegular(path)
	}
	text, err = readAll(f, limit+1)
	if err != nil {
		clear(text)
		return nil, 0, err
	}
	if len(text) > limit {
		clear(text)
		return nil, 0, fmt.Errorf("%s is %w %d bytes", path, ErrTooLarge, limit)
	}
	return text, info.Mode(), nil
}

func notRegular(path string) error { return fmt.Errorf("%s is %w", path, ErrNotRegular) }

// readAll reads at most limit bytes. Unlike io.ReadAll, it clears the buffers it outgrows.
func readAll(r io.Reader, limit int) ([]byte, error) {
	text := make([]byte, 0, min(4<<10, limit))
	for {
		if len(text) == cap(text) {
			if len(text) == limit {
				return text, nil
			}
			larger := make([]byte, len(text), min(2*len(text), limit))
			copy(larger, text)
			clear(text)
			text = larger
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return text, err
		}
	}
}

// ModeWarning returns a warning if other users can read a file that holds a secret, or
// "". On Windows, modes mean nothing.
func ModeWarning(path string, mode fs.FileMode, secret string) string {
	if runtime.GOOS == "windows" || mode.Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("mode %04o: other users can read this %s: chmod 600 %s", mode.Perm(), secret, path)
}
