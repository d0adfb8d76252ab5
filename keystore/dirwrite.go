package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gofrs/flock"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/internal/follow"
)

// lockFile is what those who write a directory lock, so that two processes don't
// decide on what they see at the same time.
const lockFile = ".lock"

// lockPatience is how long another writer is waited for, and lockRetry how often
// to look whether it is done.
const (
	lockPatience = 10 * time.Second
	lockRetry    = 5 * time.Millisecond
)

// fileMode and dirMode are those of what is public.
const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// batch is how many identities are written at a time: each file is open meanwhile, and
// a directory is synced once for all of them.
const batch = 128

// place is where an identity shall be.
type place struct {
	id    *Identity
	names []string // its files, one for each group, within path
}

func (d *dir) Put(entries ...Entry) error {
	return d.write(func() error {
		var keys []curve.PublicKey
		for _, e := range entries {
			keys = append(keys, e.Certificate.Public)
		}
		if err := d.refresh(keys); err != nil {
			return err
		}
		d.mu.Lock()
		identities, err := d.prepareLocked(entries)
		d.mu.Unlock()
		if err != nil {
			return err
		}
		places := make([]place, len(identities))
		for i, id := range identities {
			if places[i], err = d.placeOf(id); err != nil {
				return err
			}
		}
		return d.putAll(places)
	})
}

// placeOf returns the files in which an identity shall be. The error is ErrName if
// another identity has one of them.
func (d *dir) placeOf(id *Identity) (place, error) {
	if !isFileName(id.Name) {
		return place{}, fmt.Errorf("keystore: %w: %q can't be the name of a file", ErrName, id.Name)
	}
	groups := slices.DeleteFunc(slices.Clone(id.Groups), func(g string) bool { // a file in a/b is in a too
		return slices.ContainsFunc(id.Groups, func(other string) bool { return strings.HasPrefix(other, g+"/") })
	})
	if len(groups) == 0 {
		groups = []string{""}
	}
	p := place{id: id}
	for _, g := range groups {
		name := filepath.Join(filepath.FromSlash(g), id.Name+publicSuffix)
		if f := d.files[name]; f != nil && (f.certificate == nil || f.certificate.Public != id.Key()) {
			return place{}, fmt.Errorf("keystore: %w: there is another file %s", ErrName, filepath.Join(d.path, name))
		}
		if d.isBlocked(name) {
			return place{}, fmt.Errorf("keystore: %w: %s says that it is revoked", ErrRevoked, filepath.Join(d.path, name+revokedSuffix))
		}
		p.names = append(p.names, name)
	}
	return p, nil
}

// isFileName reports whether an identity's name can be that of a file everywhere
// where this runs, and one that counts.
func isFileName(name string) bool {
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-+@ ", r) {
			return false
		}
	}
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch {
	case base == "CON", base == "PRN", base == "AUX", base == "NUL", base == "CONIN$", base == "CONOUT$",
		len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && base[3] >= '0' && base[3] <= '9':
		return false // devices of Windows
	}
	return len(name) <= 200 && counts(name+publicSuffix) && counts(name) && !isRevokedFile(name) &&
		!strings.HasSuffix(name, " ") && !strings.HasPrefix(name, " ") && !strings.HasSuffix(name, publicSuffix)
}

// putAll writes the files of identities, and removes others that hold their keys.
func (d *dir) putAll(places []place) error {
	if err := d.makeDirs(places...); err != nil {
		return err
	}
	var err error
	var changed, old []string
	for part := range slices.Chunk(places, batch) {
		for _, p := range part {
			changed = append(changed, p.names...)
			for _, name := range d.holders[p.id.Key()] {
				if !slices.Contains(p.names, name) && !isRevokedFile(name) {
					old = append(old, name)
				}
			}
		}
		if err = d.writeFiles(part...); err != nil {
			break
		}
	}
	if err == nil { // the new ones are on the disk before the old ones go
		err = d.removeFiles(old)
	}
	d.update(append(changed, old...), follow.ReadOwn)
	return err
}

// dirsOf returns the directories in which files of identities shall be.
func dirsOf(places ...place) map[string]bool {
	dirs := map[string]bool{}
	for _, p := range places {
		for _, name := range p.names {
			dirs[filepath.Dir(name)] = true
		}
	}
	return dirs
}

// makeDirs makes them.
func (d *dir) makeDirs(places ...place) error {
	for dir := range dirsOf(places...) {
		if _, err := os.Stat(filepath.Join(d.path, dir)); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Join(d.path, dir), dirMode); err != nil {
			return fmt.Errorf("keystore: %w", err)
		}
		for dir != "." { // the names of the new ones, too, are on the disk
			dir = filepath.Dir(dir)
			if err := atomicfile.SyncDir(filepath.Join(d.path, dir)); err != nil {
				return fmt.Errorf("keystore: %w", err)
			}
		}
	}
	return nil
}

// writeFiles writes the files of identities, and returns when they are on the disk.
func (d *dir) writeFiles(places ...place) error {
	var added, replaced []atomicfile.File
	for _, p := range places {
		text, err := p.id.Certificate.AppendPublic(nil)
		if err != nil {
			return fmt.Errorf("keystore: %w", err)
		}
		for _, name := range p.names {
			f := atomicfile.File{Path: filepath.Join(d.path, name), Data: text, Mode: fileMode}
			if d.files[name] != nil {
				replaced = append(replaced, f)
			} else {
				added = append(added, f)
			}
		}
	}
	err := atomicfile.Create(added...)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("keystore: %w: there is another file: %w", ErrName, err)
	case err == nil:
		err = atomicfile.Replace(replaced...)
	}
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	return nil
}

// removeFiles removes files, and returns when they are gone from the disk.
func (d *dir) removeFiles(names []string) error {
	dirs := map[string]bool{}
	for _, name := range names {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keystore: %w", err)
		}
		dirs[filepath.Dir(name)] = true
	}
	for dir := range dirs {
		if err := atomicfile.SyncDir(filepath.Join(d.path, dir)); err != nil {
			return fmt.Errorf("keystore: %w", err)
		}
	}
	return nil
}

func (d *dir) Remove(key curve.PublicKey) error {
	return d.write(func() error {
		if err := d.refresh([]curve.PublicKey{key}); err != nil {
			return err
		}
		names := slices.DeleteFunc(slices.Clone(d.holders[key]), isRevokedFile)
		if len(names) == 0 {
			return notFound(key)
		}
		err := d.removeFiles(names)
		d.update(names, follow.ReadOwn)
		return err
	})
}

// Revoke writes the record of the revocation first. The certificate's files are
// removed then: they don't count any more, but czmq and pyzmq don't know that.
func (d *dir) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return d.Restore(key, newRevocation(at, reason))
}

func (d *dir) Restore(key curve.PublicKey, r *Revocation) error {
	if err := r.check(); err != nil {
		return err
	}
	return d.write(func() error {
		if err := d.refresh([]curve.PublicKey{key}); err != nil {
			return err
		}
		before, known := d.revocations.get(key)
		if !r.InForce() {
			if known {
				return nil
			}
			return d.writeRecord(key, r)
		}
		if old := d.records[key]; old == nil || old.gone || !old.revocation.InForce() {
			id, _ := d.identities.get(key)
			if err := d.writeRecord(key, r.after(before, id)); err != nil {
				return err
			}
		}
		names := slices.DeleteFunc(slices.Clone(d.holders[key]), isRevokedFile)
		err := d.removeFiles(names)
		d.update(names, follow.ReadOwn)
		return err
	})
}

func (d *dir) Unrevoke(key curve.PublicKey, at time.Time, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return d.write(func() error {
		if err := d.refresh([]curve.PublicKey{key}); err != nil {
			return err
		}
		for _, name := range d.holders[key] {
			if isRevokedFile(name) {
				return fmt.Errorf("keystore: %w: the name of a file says so: rename or remove %s first", ErrRevoked, filepath.Join(d.path, name))
			}
		}
		d.mu.Lock()
		r, e, ok := d.liftedLocked(key, at, reason)
		d.mu.Unlock()
		// The certificate first: it doesn't count before the record says so.
		var p place
		if ok {
			p, ok = d.placeAgain(key, e)
		}
		if ok {
			if err := d.makeDirs(p); err != nil {
				return err
			}
			if err := d.writeFiles(p); err != nil {
				return err
			}
		}
		if err := d.writeRecord(key, r); err != nil {
			return err
		}
		d.update(p.names, follow.ReadOwn)
		return nil
	})
}

// placeAgain is where the identity of a revoked key shall be again, if it can: another
// may have its name by now.
func (d *dir) placeAgain(key curve.PublicKey, e Entry) (p place, ok bool) {
	if len(d.holders[key]) > 0 {
		return place{}, false
	}
	if other, taken := d.Holder(e.Name); taken && other != key {
		return place{}, false
	}
	id, err := prepare(e)
	if err != nil {
		return place{}, false
	}
	if p, err = d.placeOf(id); err != nil {
		return place{}, false
	}
	return p, true
}

// writeRecord writes the record of a revocation and puts it in force.
func (d *dir) writeRecord(key curve.PublicKey, r *Revocation) error {
	text, err := appendRecord(nil, key, r)
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	if err := d.makeRecordsDir(); err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	err = atomicfile.Replace(atomicfile.File{Path: d.recordPath(key), Data: text, Mode: fileMode})
	if err == nil {
		err = atomicfile.SyncDir(d.path) // which may have the directory since now only
	}
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	d.readRecord(key)
	if r.InForce() {
		if _, revoked := d.Revocation(key); !revoked {
			return fmt.Errorf("keystore: %s: %w", d.recordPath(key), errRecord)
		}
	}
	return nil
}

// makeRecordsDir makes the directory of the records if it doesn't exist. Who can read the
// store can read it, also if root makes it or the umask is strict: zauth refuses whom it has.
func (d *dir) makeRecordsDir() error {
	if _, err := os.Lstat(d.recordsPath()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	temp := d.recordsPath() + ".tmp"
	_ = os.Remove(temp) // what a killed process left
	if err := os.Mkdir(temp, dirMode); err != nil {
		return err
	}
	giveTo(temp, info)
	if err := os.Chmod(temp, info.Mode()&(fs.ModePerm|fs.ModeSetgid)); err != nil {
		return err
	}
	return os.Rename(temp, d.recordsPath())
}

// refresh reads what others may have written of these keys.
func (d *dir) refresh(keys []curve.PublicKey) error {
	var names []string
	for _, key := range keys {
		names = append(names, d.holders[key]...)
		if err := d.lookAtRecord(key); err != nil {
			return err
		}
	}
	d.update(names, follow.Read)
	return nil
}

// write runs change while no other writer does.
func (d *dir) write(change func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	lock := flock.New(filepath.Join(d.path, lockFile))
	ok, err := lock.TryLockContext(ctx, lockRetry)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("keystore: %s: %w since %v: try again later", d.path, ErrInUse, lockPatience)
	}
	if !ok || err != nil {
		return fmt.Errorf("keystore: locking %s failed: %w", d.path, err)
	}
	defer lock.Unlock()
	d.work.Lock()
	defer d.work.Unlock()
	return change()
}
