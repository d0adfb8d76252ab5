package keystore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gofrs/flock"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// lockFile is what whoever writes a directory locks, so that two processes don't
// decide on what they see at the same time.
const lockFile = ".lock"

// lockPatience is how long another writer is waited for, and lockRetry how often
// it is looked whether it is done.
const (
	lockPatience = 10 * time.Second
	lockRetry    = 5 * time.Millisecond
)

// fileMode and dirMode are those of what is public.
const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

func (d *dir) Put(c *cert.Certificate, groups ...string) error {
	id, err := prepare(c, groups)
	if err != nil {
		return err
	}
	if len(groups) > 1 && !slices.Equal(groups, groupsOf(groups[len(groups)-1]+"/x")) {
		return fmt.Errorf("keystore: %w: a directory puts an identity in one group, not in %q", ErrGroup, groups)
	}
	text, err := id.Certificate.AppendPublic(nil)
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	place := ""
	if len(groups) > 0 {
		place = filepath.FromSlash(groups[len(groups)-1])
	}
	candidates := candidates(place, id)
	return d.write(id.Key(), candidates, func(names []string) (string, error) {
		// The file that has the key keeps its name, where it stays in its group.
		for _, name := range names {
			if filepath.Dir(name) == filepath.Clean(place) && !strings.HasSuffix(name, revokedSuffix) {
				return name, cert.WriteFile(filepath.Join(d.path, name), text, fileMode, true)
			}
		}
		if err := os.MkdirAll(filepath.Join(d.path, place), dirMode); err != nil {
			return "", fmt.Errorf("keystore: %w", err)
		}
		for _, name := range candidates {
			if d.files[name+revokedSuffix] != nil && !slices.Contains(names, name+revokedSuffix) {
				continue // of another identity: the two would be mixed up
			}
			err := cert.WriteFile(filepath.Join(d.path, name), text, fileMode, false)
			if !errors.Is(err, fs.ErrExist) {
				return name, err
			}
		}
		return "", fmt.Errorf("keystore: %s: %w", candidates[len(candidates)-1], fs.ErrExist)
	})
}

func (d *dir) PutAll(certificates []*cert.Certificate, groups ...string) error {
	return putEach(d, certificates, groups)
}

// candidates are the names that an identity's file can have: for its own name,
// and if another has that, with its key.
func candidates(place string, id *Identity) (names []string) {
	key := id.Key()
	base, long := fileName(id.Certificate.Name()), hex.EncodeToString(key[:])
	if base != "" {
		names = []string{filepath.Join(place, base+publicSuffix), filepath.Join(place, base+"-"+long[:8]+publicSuffix)}
	}
	return append(names, filepath.Join(place, long+publicSuffix))
}

// fileName makes of an identity's name that of a file, or "".
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+@ ", r) {
			return r
		}
		return '_'
	}, name)
	name = strings.TrimLeft(name, ".")
	if len(name) > 100 || name == "" || !counts(name+publicSuffix) {
		return ""
	}
	return name
}

func (d *dir) Remove(key curve.PublicKey) error {
	return d.write(key, nil, func(names []string) (string, error) {
		if len(names) == 0 {
			return "", notFound(key)
		}
		return "", nil
	})
}

func (d *dir) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return d.write(key, nil, func([]string) (string, error) {
		id, err := d.revoked(key, at, reason)
		if err != nil {
			return "", err
		}
		name, err := filepath.Rel(d.path, id.Source)
		if err != nil || strings.HasSuffix(name, revokedSuffix) {
			return name, err
		}
		text, err := revokedText(id)
		if err != nil {
			return "", err
		}
		name += revokedSuffix
		return name, cert.WriteFile(filepath.Join(d.path, name), text, fileMode, true)
	})
}

// write changes which file holds a key. change is told the files that hold it,
// and returns the one that shall; the others are removed. A crash in between
// leaves the old file, or both, of which the first by name or the revoked one
// counts. Of what others may have written since, that of the key and of the
// files others is read before.
func (d *dir) write(key curve.PublicKey, others []string, change func(names []string) (name string, err error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	lock := flock.New(filepath.Join(d.path, lockFile))
	if ok, err := lock.TryLockContext(ctx, lockRetry); !ok || err != nil {
		return fmt.Errorf("keystore: locking %s failed: %w", d.path, err)
	}
	defer lock.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	var seen []string
	for _, name := range append(slices.Clone(d.holders[key]), others...) {
		seen = append(seen, strings.TrimSuffix(name, revokedSuffix), strings.TrimSuffix(name, revokedSuffix)+revokedSuffix)
	}
	d.updateLocked(seen)
	names := slices.Clone(d.holders[key])
	name, err := change(names)
	if err != nil {
		return err
	}
	touched := map[string]bool{name: name != ""}
	for _, old := range names {
		if old == name {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keystore: %w", err)
		}
		touched[old] = true
	}
	for n, is := range touched {
		if is {
			if err := syncDir(filepath.Join(d.path, filepath.Dir(n))); err != nil {
				return err
			}
		}
	}
	d.updateLocked(slices.DeleteFunc(append(names, name), func(n string) bool { return n == "" }))
	return nil
}

// syncDir has the names in a directory on the disk. Windows can't be asked to.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	return nil
}
