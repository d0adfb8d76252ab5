package cert

import (
	"io/fs"
	"slices"

	"github.com/zcurve/zcurve/internal/atomicfile"
)

// Modes of the files. That of the public one is subject to the umask.
const (
	publicMode fs.FileMode = 0o644
	secretMode fs.FileMode = 0o600
)

// A SaveOption says what to do with files that exist.
type SaveOption struct{ replace bool }

// Replace replaces files that exist.
var Replace = SaveOption{replace: true}

// Save writes the public certificate to path and the secret one to path with
// SecretSuffix, which is readable by its owner alone from the first instant.
// Both are on the disk in the end, or neither; a crash can leave the secret one
// alone, which holds all that is public, too. No part of the secret gets anywhere else.
//
// A file that exists is an error, fs.ErrExist, without [Replace]. With it, each is
// replaced as a whole, the secret one last: a crash leaves the old secret until the new
// public file is in its place. They keep their owner and group where that is permitted,
// and don't get wider modes than they had. What isn't a regular file in the place of
// either isn't replaced, which is an error.
//
// On Windows, modes mean nothing: who may read the secret is what its directory says.
func (c *Certificate) Save(path string, options ...SaveOption) error {
	return savePair(path, options, c.AppendPublic, c.AppendSecret)
}

// SavePublic writes the public certificate to path, as Save does.
func (c *Certificate) SavePublic(path string, options ...SaveOption) error {
	return saveOne(path, publicMode, options, c.AppendPublic)
}

// SaveSecret writes the secret certificate to path as it is, without a suffix,
// and else as Save does.
func (c *Certificate) SaveSecret(path string, options ...SaveOption) error {
	return saveOne(path, secretMode, options, c.AppendSecret)
}

// appender is AppendPublic and its like.
type appender func(dst []byte) ([]byte, error)

// savePair writes two files, or none.
func savePair(path string, options []SaveOption, appendPublic, appendSecret appender) error {
	public, err := appendPublic(nil)
	if err != nil {
		return err
	}
	secret, err := appendSecret(nil)
	if err != nil {
		return err
	}
	defer clear(secret)
	publicFile := atomicfile.File{Path: path, Data: public, Mode: publicMode}
	secretFile := atomicfile.File{Path: path + SecretSuffix, Data: secret, Mode: secretMode}
	if slices.Contains(options, Replace) {
		// The old secret stays until all else is in place.
		return named(atomicfile.Replace(publicFile, secretFile))
	}
	// The secret first: a public certificate that is seen has its secret.
	return named(atomicfile.Create(secretFile, publicFile))
}

// saveOne writes one file as a whole.
func saveOne(path string, mode fs.FileMode, options []SaveOption, appendText appender) error {
	text, err := appendText(nil)
	if err != nil {
		return err
	}
	defer clear(text)
	write := atomicfile.Create
	if slices.Contains(options, Replace) {
		write = atomicfile.Replace
	}
	return named(write(atomicfile.File{Path: path, Data: text, Mode: mode}))
}
