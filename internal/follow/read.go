package follow

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	// ErrBusy means that a file is being written. Read it again later.
	ErrBusy = errors.New("being written")
	// ErrNotRegular means that a path is a directory, a pipe or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrLarge means that a file is larger than the limit.
	ErrLarge = errors.New("too large")
)

// Stillness is the time without writes after which a file counts as complete, if the
// system doesn't know whether a process has it open for writing.
const Stillness = 250 * time.Millisecond

// Read reads the regular file at path, of at most limit bytes, and returns its stamp. It
// never waits, neither for the other end of a pipe nor for a writer. It returns
// ErrNotRegular, ErrLarge or ErrBusy, or an error of package fs.
func Read(path string, limit int) ([]byte, Stamp, error) { return read(path, limit, isBusy) }

// ReadOwn is like Read, for a file that this program has just written, or that is only
// replaced as a whole. It does not return ErrBusy because a process has the file open for
// writing.
func ReadOwn(path string, limit int) ([]byte, Stamp, error) {
	return read(path, limit, func(*os.File, Stamp) bool { return false })
}

func read(path string, limit int, isBusy func(*os.File, Stamp) bool) ([]byte, Stamp, error) {
	f, stamp, err := open(path)
	if err != nil {
		return nil, stamp, err
	}
	defer f.Close()
	if stamp.size > int64(limit) {
		return nil, stamp, fmt.Errorf("%s: %w: larger than %d bytes", path, ErrLarge, limit)
	}
	if isBusy(f, stamp) {
		return nil, Stamp{}, fmt.Errorf("%s: %w", path, ErrBusy)
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, stamp, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, stamp, err
	}
	if !stampOf(info).same(stamp) || int64(len(text)) != stamp.size {
		return nil, Stamp{}, fmt.Errorf("%s: %w", path, ErrBusy)
	}
	return text, stamp, nil
}

// ReadStill is like Read, for the start of a program, which has no earlier version to
// use. It waits a few seconds for a file that is being written.
func ReadStill(path string, limit int) (text []byte, stamp Stamp, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(Stillness / 5) {
		text, stamp, err = Read(path, limit)
		if !errors.Is(err, ErrBusy) || time.Now().After(end) {
			return text, stamp, err
		}
	}
}

// patience is the longest time that ReadStill waits.
const patience = 5 * time.Second

// IsBusy reports whether the regular file at path is being written.
func IsBusy(path string) bool {
	f, stamp, err := open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return isBusy(f, stamp)
}

// open opens a regular file. It doesn't wait for the other end of a pipe.
func open(path string) (*os.File, Stamp, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, Stamp{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, Stamp{}, err
	}
	return f, stampOf(info), nil
}

// isBusy reports whether an open file is being written. If the system doesn't know,
// isBusy judges by the time of the last write.
func isBusy(f *os.File, stamp Stamp) bool {
	if written, ok := hasWriter(f); ok {
		return written
	}
	age := time.Since(stamp.modified)
	return 0 <= age && age < Stillness
}
