package cert

import (
	"io/fs"
	"slices"

	"github.com/zcurve/zcurve/internal/atomicfile"
)

// Modes of the files. The umask can reduce that of the public one.
const (
	publicMode fs.FileMode = 0o644
	secretMode fs.FileMode = 0o600
)

// A SaveOption says what to do with files that exist.
type SaveOption struct{ replace bool }

// Replace replaces files that exist.
var Replace = SaveOption{replace: true}

// Save writes the public certificate to path and the secret certificate to path with
// SecretSuffix, which nobody but its owner can read from the start. Afterwards both are
// on the disk, or neither. A crash can leave the secret certificate alone, which holds all
// that is public, too. No part of the secret is written elsewhere.
//
// If one of the files exists, the error is fs.ErrExist. With [Replace], each is replaced
// as a whole, and the secret one last: a crash leaves the old secret until the new public
// certificate is in place. The files keep their owner and group if permitted, and do not
// get wider modes. A directory, a pipe or a device is never replaced.
//
// On Windows, modes mean nothing: the directory says who can read the secret.
func (c *Certificate) Save(path string, options ...SaveOption) error {
	return named(savePair(path, options, c.appendPublic, c.appendSecret))
}

// SavePublic writes the public certificate to path, as Save does.
func (c *Certificate) SavePublic(path string, options ...SaveOption) error {
	return named(saveOne(path, publicMode, options, c.appendPublic))
}

// SaveSecret writes the secret certificate to path, without a suffix and otherwise as Save
// does.
func (c *Certificate) SaveSecret(path string, options ...SaveOption) error {
	return named(saveOne(path, secretMode, options, c.appendSecret))
}

// appender is appendPublic or a function like it.
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
		// The old secret stays until everything else is in place.
		return atomicfile.Replace(publicFile, secretFile)
	}
	// The secret comes first: a public certificate that exists has its secret.
	return atomicfile.Create(secretFile, publicFile)
}

// saveOne writes one file as a whole.
func saveOne(path string, mode fs.FileMode, options []SaveOption, appendTo appender) error {
	text, err := appendTo(nil)
	if err != nil {
		return err
	}
	defer clear(text)
	write := atomicfile.Create
	if slices.Contains(options, Replace) {
		write = atomicfile.Replace
	}
	return write(atomicfile.File{Path: path, Data: text, Mode: mode})
}
