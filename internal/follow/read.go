package follow

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	// ErrBusy means that a file is being written: it is to be read once it is still.
	ErrBusy = errors.New("it is being written")
	// ErrNotRegular means that there is a directory, a pipe or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrLarge means that a file is larger than it may be.
	ErrLarge = errors.New("too large")
)

// Stillness is how long a file must have been left alone to count as written,
// where the system doesn't say whether a process has it open for writing.
const Stillness = 250 * time.Millisecond

// Read reads the regular file at path, of at most limit octets, and returns how it
// looked. It never waits: not for a pipe's other end, nor for who writes the file.
// The error is ErrNotRegular, ErrLarge, ErrBusy, or one of package fs.
func Read(path string, limit int) ([]byte, Stamp, error) { return read(path, limit, isBusy) }

// ReadOwn is Read for a file that this program has just written itself, or that is
// only ever exchanged as a whole.
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
		return nil, stamp, fmt.Errorf("%s: %w: larger than %d octets", path, ErrLarge, limit)
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

// ReadStill is Read for a start, where there is nothing to go on with meanwhile: it
// waits for the file to be still, a few seconds at most.
func ReadStill(path string, limit int) (text []byte, stamp Stamp, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(Stillness / 5) {
		text, stamp, err = Read(path, limit)
		if !errors.Is(err, ErrBusy) || time.Now().After(end) {
			return text, stamp, err
		}
	}
}

// patience is how long ReadStill waits.
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

// open opens a regular file. A pipe's other end isn't waited for.
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

// isBusy reports whether an open file is being written: by a process that has it
// open for that, or if that isn't to be had, by the time of its last write.
func isBusy(f *os.File, stamp Stamp) bool {
	if written, ok := hasWriter(f); ok {
		return written
	}
	age := time.Since(stamp.modified)
	return 0 <= age && age < Stillness
}
