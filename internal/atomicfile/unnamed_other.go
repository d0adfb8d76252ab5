//go:build !linux

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

// openUnnamed can't be had.
func openUnnamed(string, fs.FileMode) (*os.File, error) { return nil, errors.ErrUnsupported }

// link is for what openUnnamed returns.
func link(*os.File, string) error { return errors.ErrUnsupported }
