package main

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/zcurve/zcurve/internal/atomicfile"
)

// Modes of files that are replaced in place. A file keeps its own mode, within these.
const (
	publicInPlace fs.FileMode = 0o666
	secretInPlace fs.FileMode = 0o600
)

// inPlace returns the replacement for a file, with the text from appendText. If path is a
// link, it replaces the link's target. The caller clears the text.
func inPlace(path string, appendText func([]byte) ([]byte, error), mode fs.FileMode) (atomicfile.File, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return atomicfile.File{}, fmt.Errorf("writing %s: %w", path, err)
	}
	text, err := appendText(nil)
	return atomicfile.File{Path: target, Data: text, Mode: mode}, err
}

// saveInPlace replaces a file atomically. It keeps the owner, group and mode as far as it
// is allowed to, and never lets more users read a secret.
func saveInPlace(path string, appendText func([]byte) ([]byte, error), mode fs.FileMode) error {
	f, err := inPlace(path, appendText, mode)
	if err != nil {
		return err
	}
	defer clear(f.Data)
	return atomicfile.Replace(f)
}
