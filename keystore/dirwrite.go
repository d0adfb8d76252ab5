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

	"github.com/gofrs/flock"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/internal/filename"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore/internal/kv"
)

// lockFile is the file that a process locks while it changes a store, so that no other
// process changes it between its checks and its writes.
const lockFile = ".lock"

// lockPatience is how long to wait for another writer, and lockRetry the time between attempts.
const (
	lockPatience = 10 * time.Second
	lockRetry    = 5 * time.Millisecond
)

// Modes of new files and directories: certificates are public.
const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// batch is the number of identities written at a time. All their files are open at
// once, and each directory is synced once.
const batch = 128

// place is where an identity is to be written.
type place struct {
	id    *Identity
	names []string // its files within the store, one for each group
}

func (d *dir) Put(ids ...*Identity) error {
	return d.write(func() error {
		var keys []curve.PublicKey
		for _, id := range ids {
			if id != nil && id.Certificate != nil {
				keys = append(keys, id.Key())
			}
		}
		if err := d.refresh(keys); err != nil {
			return err
		}
		d.mu.Lock()
		identities, err := d.prepareLocked(ids)
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

// placeOf returns the files for an identity, or an error if one of them belongs to
// another identity.
func (d *dir) placeOf(id *Identity) (place, error) {
	if !isFileName(id.Name) {
		return place{}, fmt.Errorf("%w %q: not usable as a file name", errName, id.Name)
	}
	groups := slices.DeleteFunc(slices.Clone(id.Groups), func(g string) bool { // a file in a/b is also in a
		return slices.ContainsFunc(id.Groups, func(other string) bool { return strings.HasPrefix(other, g+"/") })
	})
	if len(groups) == 0 {
		groups = []string{""}
	}
	p := place{id: id}
	for _, g := range groups {
		name := filepath.Join(filepath.FromSlash(g), id.Name+publicSuffix)
		if f := d.files[name]; f != nil && (f.certificate == nil || f.certificate.Public != id.Key()) {
			return place{}, fmt.Errorf("%w %q: there is another file %s", errName, id.Name, filepath.Join(d.path, name))
		}
		if d.isBlocked(name) {
			return place{}, fmt.Errorf("%w by the file %s", ErrRevoked, filepath.Join(d.path, name+revokedSuffix))
		}
		p.names = append(p.names, name)
	}
	return p, nil
}

// isFileName reports whether an identity's name can be a file name on every platform, and
// this package does not ignore such a file.
func isFileName(name string) bool {
	for _, r := range name {
		if !filename.IsSafe(r) && r != ' ' {
			return false
		}
	}
	return len(name) <= filename.Max && !filename.IsDevice(name) && counts(name+publicSuffix) && counts(name) && !isRevokedFile(name) &&
		!strings.HasSuffix(name, " ") && !strings.HasPrefix(name, " ") && !strings.HasSuffix(name, publicSuffix)
}

// putAll writes the files of identities, and removes other files with the same keys.
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
	if err == nil { // only after the new files are on the disk
		err = d.removeFiles(old)
	}
	d.update(append(changed, old...), follow.ReadOwn)
	return err
}

// dirsOf returns the directories of the files of identities.
func dirsOf(places ...place) map[string]bool {
	dirs := map[string]bool{}
	for _, p := range places {
		for _, name := range p.names {
			dirs[filepath.Dir(name)] = true
		}
	}
	return dirs
}

// makeDirs creates the directories that don't exist.
func (d *dir) makeDirs(places ...place) error {
	for dir := range dirsOf(places...) {
		if _, err := os.Stat(filepath.Join(d.path, dir)); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Join(d.path, dir), dirMode); err != nil {
			return err
		}
		for dir != "." { // sync the entries of the new directories, too
			dir = filepath.Dir(dir)
			if err := atomicfile.SyncDir(filepath.Join(d.path, dir)); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFiles writes the files of identities to the disk.
func (d *dir) writeFiles(places ...place) error {
	var added, replaced []atomicfile.File
	for _, p := range places {
		text, err := p.id.Certificate.AppendPublic(nil)
		if err != nil {
			return err
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
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: there is another file: %w", errName, err)
	}
	if err != nil {
		return err
	}
	return atomicfile.Replace(replaced...)
}

// removeFiles removes files from the disk.
func (d *dir) removeFiles(names []string) error {
	dirs := map[string]bool{}
	for _, name := range names {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dirs[filepath.Dir(name)] = true
	}
	for dir := range dirs {
		if err := atomicfile.SyncDir(filepath.Join(d.path, dir)); err != nil {
			return err
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

func (d *dir) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return d.Restore(key, newRevokedKey(at, reason))
}

// Restore writes the record first, and then removes the certificate's files. This package
// already ignores them, but czmq and pyzmq do not.
func (d *dir) Restore(key curve.PublicKey, r *RevokedKey) error {
	r, err := r.prepared()
	if err != nil {
		return named(err)
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
		return named(err)
	}
	return d.write(func() error {
		if err := d.refresh([]curve.PublicKey{key}); err != nil {
			return err
		}
		for _, name := range d.holders[key] {
			if isRevokedFile(name) {
				return fmt.Errorf("%w by the file %s: rename or remove it first", ErrRevoked, filepath.Join(d.path, name))
			}
		}
		d.mu.Lock()
		r, id := d.liftedLocked(key, at, reason)
		d.mu.Unlock()
		// Write the certificate first: it is ignored until the record is written.
		var p place
		ok := false
		if id != nil {
			p, ok = d.placeAgain(id)
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

// placeAgain returns where to write the identity of a revoked key. It returns false if
// the key already has a file, or if another identity now has the name.
func (d *dir) placeAgain(id *Identity) (p place, ok bool) {
	if len(d.holders[id.Key()]) > 0 {
		return place{}, false
	}
	if other, taken := d.Holder(id.Name); taken && other != id.Key() {
		return place{}, false
	}
	p, err := d.placeOf(id)
	return p, err == nil
}

// writeRecord writes the record of a revocation and applies it.
func (d *dir) writeRecord(key curve.PublicKey, r *RevokedKey) error {
	text, err := appendRecord(nil, key, r)
	if err != nil {
		return err
	}
	if err := d.makeRecordsDir(); err != nil {
		return err
	}
	err = atomicfile.Replace(atomicfile.File{Path: d.recordPath(key), Data: text, Mode: fileMode})
	if err == nil {
		err = atomicfile.SyncDir(d.path) // recordsDir may be new
	}
	if err != nil {
		return err
	}
	d.readRecord(key)
	if r.InForce() {
		if _, revoked := d.Revocation(key); !revoked {
			return fmt.Errorf("%s: %w", d.recordPath(key), errRecord)
		}
	}
	return nil
}

// makeRecordsDir creates the directory of the records if it doesn't exist. Every user who
// can read the store can read this directory, even if root creates it or the umask is
// strict, so that zauth can.
func (d *dir) makeRecordsDir() error {
	if _, err := os.Lstat(d.recordsPath()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	temp := d.recordsPath() + ".tmp"
	_ = os.Remove(temp) // a killed process left it
	if err := os.Mkdir(temp, dirMode); err != nil {
		return err
	}
	giveTo(temp, info)
	if err := os.Chmod(temp, info.Mode()&(fs.ModePerm|fs.ModeSetgid)); err != nil {
		return err
	}
	return os.Rename(temp, d.recordsPath())
}

// refresh reads the files of these keys, which other processes may have changed.
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

// write runs change while the lock keeps other processes from changing the store.
func (d *dir) write(change func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	lock := flock.New(filepath.Join(d.path, lockFile))
	ok, err := lock.TryLockContext(ctx, lockRetry)
	if errors.Is(err, context.DeadlineExceeded) {
		return named(fmt.Errorf("%s: %w", d.path, kv.ErrInUse))
	}
	if !ok || err != nil {
		return named(fmt.Errorf("locking %s failed: %w", d.path, err))
	}
	defer lock.Unlock()
	d.work.Lock()
	defer d.work.Unlock()
	return named(change())
}
