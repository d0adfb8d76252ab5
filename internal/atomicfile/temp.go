package atomicfile

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// numbered is how many hidden names of a file are tried before one at random.
const numbered = 8

// longName is the length in octets from which on a name is cut in a hidden one.
const longName = 200

// tempName is a hidden name beside a file. It begins the same each time, so that what
// is left behind is found.
func tempName(path, suffix string) string {
	base := filepath.Base(path)
	if len(base) > longName {
		sum := sha256.Sum256([]byte(base))
		base = hex.EncodeToString(sum[:])
	}
	return filepath.Join(dirOf(path), "."+base+"."+suffix+".tmp")
}

// nameTemp makes something under a hidden name beside a file. make returns
// fs.ErrExist for a name that there is already: if a killed process left it, it is
// removed.
func nameTemp(path string, make func(temp string) error) (temp string, err error) {
	for i := range numbered {
		temp = tempName(path, fmt.Sprint(i))
		if err = make(temp); errors.Is(err, fs.ErrExist) && removeStale(temp) {
			err = make(temp)
		}
		if !errors.Is(err, fs.ErrExist) {
			return temp, err
		}
	}
	temp = tempName(path, rand.Text())
	return temp, make(temp)
}

// removeStale removes a file that a killed process left, and reports whether it did.
// One that a process has locked is in use. What isn't a file of this user's stays.
func removeStale(temp string) bool {
	f, err := openOwn(temp)
	if err != nil {
		return false
	}
	defer f.Close()
	if lock(f) != nil {
		return false
	}
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	// Its owner could have given it its name before it was locked here.
	named, err := os.Lstat(temp)
	return err == nil && os.SameFile(opened, named) && os.Remove(temp) == nil
}
