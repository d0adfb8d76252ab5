package main

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/zcurve/zcurve/internal/atomicfile"
)

// Modes of files that are changed in place: such a file has no bit more than it had.
const (
	publicInPlace fs.FileMode = 0o666
	secretInPlace fs.FileMode = 0o600
)

// inPlace is what replaces a file: what appendText appends. A link stays one: what it
// leads to is replaced. The caller clears the text.
func inPlace(path string, appendText func([]byte) ([]byte, error), mode fs.FileMode) (atomicfile.File, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return atomicfile.File{}, fmt.Errorf("writing %s failed: %w", path, err)
	}
	text, err := appendText(nil)
	return atomicfile.File{Path: target, Data: text, Mode: mode}, err
}

// saveInPlace replaces a file as a whole. Owner, group and mode are kept, as far as
// this process may; a secret gets none that lets more users read it.
func saveInPlace(path string, appendText func([]byte) ([]byte, error), mode fs.FileMode) error {
	f, err := inPlace(path, appendText, mode)
	if err != nil {
		return err
	}
	defer clear(f.Data)
	return atomicfile.Replace(f)
}
