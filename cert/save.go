package cert

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Modes of the files. That of the public one is subject to the umask.
const (
	publicMode fs.FileMode = 0o644
	secretMode fs.FileMode = 0o600
)

// Save writes the public certificate to path and the secret one to path with
// SecretSuffix, which is readable by its owner alone from the first instant.
// Both are there in the end, or neither. A file that exists is an error,
// fs.ErrExist, unless overwrite is set; then each is replaced as a whole, the
// secret one first. A directory in the place of either is ErrFile.
func (c *Certificate) Save(path string, overwrite bool) error {
	return savePair(path, overwrite, c.AppendPublic, c.AppendSecret)
}

// SavePublic writes the public certificate to path, as Save does.
func (c *Certificate) SavePublic(path string, overwrite bool) error {
	return saveOne(path, publicMode, overwrite, c.AppendPublic)
}

// SaveSecret writes the secret certificate to path as it is, without a suffix,
// and else as Save does.
func (c *Certificate) SaveSecret(path string, overwrite bool) error {
	return saveOne(path, secretMode, overwrite, c.AppendSecret)
}

// appender is AppendPublic and its like.
type appender func(dst []byte) ([]byte, error)

// savePair writes two files, or none.
func savePair(path string, overwrite bool, appendPublic, appendSecret appender) error {
	public, err := appendPublic(nil)
	if err != nil {
		return err
	}
	secret, err := appendSecret(nil)
	if err != nil {
		return err
	}
	defer clear(secret)
	if overwrite {
		for _, p := range []string{path, path + SecretSuffix} {
			if err := checkPlace(p); err != nil {
				return err
			}
		}
	}
	// The secret first: a public certificate that is seen has its secret.
	secretFile, err := writeTemp(path+SecretSuffix, secret, secretMode)
	if err != nil {
		return err
	}
	defer os.Remove(secretFile)
	publicFile, err := writeTemp(path, public, publicMode)
	if err != nil {
		return err
	}
	defer os.Remove(publicFile)
	if err := place(secretFile, path+SecretSuffix, overwrite); err != nil {
		return err
	}
	if err := place(publicFile, path, overwrite); err != nil {
		if !overwrite {
			os.Remove(path + SecretSuffix)
		}
		return err
	}
	return nil
}

// saveOne writes one file as a whole.
func saveOne(path string, mode fs.FileMode, overwrite bool, appendText appender) error {
	text, err := appendText(nil)
	if err != nil {
		return err
	}
	defer clear(text)
	return WriteFile(path, text, mode, overwrite)
}

// WriteFile writes a text to path as a whole or not at all, with this mode from
// the first instant, less what the umask takes. A file that exists is an error,
// fs.ErrExist, unless overwrite is set. A directory in its place is ErrFile.
func WriteFile(path string, text []byte, mode fs.FileMode, overwrite bool) error {
	if overwrite {
		if err := checkPlace(path); err != nil {
			return err
		}
	}
	temp, err := writeTemp(path, text, mode)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	return place(temp, path, overwrite)
}

// checkPlace refuses to write in the place of a directory.
func checkPlace(path string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%w: %s: not a regular file", ErrFile, path)
	}
	return nil
}

// writeTemp writes a hidden file beside path, whole and on the disk, and
// returns its name.
func writeTemp(path string, text []byte, mode fs.FileMode) (name string, err error) {
	dir, base := filepath.Split(path)
	name = dir + "." + base + "." + rand.Text() + ".tmp"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", fmt.Errorf("cert: writing %s failed: %w", path, err)
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(name)
		return "", fmt.Errorf("cert: writing %s failed: %w", path, err)
	}
	return name, nil
}

// place gives a finished temporary file its name.
func place(temp, path string, overwrite bool) error {
	var err error
	if overwrite {
		err = os.Rename(temp, path)
	} else {
		err = os.Link(temp, path) // unlike a rename, it fails if path exists
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = placeWithoutLinks(temp, path, err)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cert: %s: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("cert: writing %s failed: %w", path, err)
	}
	return nil
}

// placeWithoutLinks is for file systems that have no hard links. Between the
// look and the rename another process could make the same file; nothing better
// is to be had there.
func placeWithoutLinks(temp, path string, linkErr error) error {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return linkErr
	}
	return os.Rename(temp, path)
}
