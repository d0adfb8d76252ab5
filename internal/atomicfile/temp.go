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

// numbered is the number of hidden names to try before a random one.
const numbered = 8

// longName is the length in bytes above which a hidden name has a hash of the name.
const longName = 200

// tempName returns a hidden name in the directory of a file. The names are the same each
// time, so that files that a killed process left are found.
func tempName(path, suffix string) string {
	base := filepath.Base(path)
	if len(base) > longName {
		sum := sha256.Sum256([]byte(base))
		base = hex.EncodeToString(sum[:])
	}
	return filepath.Join(dirOf(path), "."+base+"."+suffix+".tmp")
}

// nameTemp calls make with a hidden name for a file. If make returns fs.ErrExist, it
// removes a file that a killed process left and tries again, or tries another name.
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

// removeStale removes a file that a killed process left, and reports whether it did. It
// does not remove files of other users, nor files that a process has locked, which are in
// use.
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
	// Before it was locked here, its process may have renamed it.
	named, err := os.Lstat(temp)
	return err == nil && os.SameFile(opened, named) && os.Remove(temp) == nil
}
