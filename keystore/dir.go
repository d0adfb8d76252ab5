package keystore

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// dir is a store of the kind dir:, a directory of certificate files. A file
// counts if it is regular or a link to a regular file, isn't hidden, and its name
// doesn't end as those of secret certificates ("_secret") and of editors'
// leftovers do. The names of the directories in it are groups.
type dir struct {
	memory
	path      string
	log       *slog.Logger
	stillness time.Duration // defaultStillness except in tests
	pollEvery time.Duration // defaultPollEvery except in tests

	// All of this is changed with memory.mu held.
	files      map[string]*file             // by their names within path
	holders    map[curve.PublicKey][]string // the files that hold a key, in the order of their names
	duplicates map[string]bool              // files whose key an earlier one holds, as reported
}

// file is what is known of a file.
type file struct {
	stamp    stamp             // of the file that was read last
	sum      [sha256.Size]byte // of its content
	identity *Identity         // its last good version; nil if there was none
	err      error             // what is wrong with the content
	since    time.Time         // when err was found
	reported bool              // err is in the log
}

// openDir reads a directory.
func openDir(path string, log *slog.Logger) (*dir, error) {
	d := &dir{path: filepath.Clean(path), log: log, stillness: defaultStillness, pollEvery: defaultPollEvery,
		files: map[string]*file{}, holders: map[curve.PublicKey][]string{}, duplicates: map[string]bool{}}
	if _, err := os.ReadDir(d.path); err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	names, err := d.list()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.readAll(names) {
		d.settleLocked(r.name, r.file, false)
	}
	d.reportLocked(time.Now())
	log.Info("keystore read", "keystore", d.path, "identities", d.Len())
	return d, nil
}

// Reload reads the whole directory again.
func (d *dir) Reload() error {
	if err := d.updateAll(true); err != nil {
		return err
	}
	d.report(time.Now())
	d.log.Info("keystore read again", "keystore", d.path, "identities", d.Len())
	return nil
}

// updateAll brings what is known of all files up to date: of those that don't
// look as when they were read last, or of each if it is thorough.
func (d *dir) updateAll(thorough bool) error {
	names, err := d.list()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	there := make(map[string]bool, len(names))
	var changed []string
	for _, name := range names {
		there[name] = true
		f := d.files[name]
		if thorough || f == nil || !f.stamp.isSettled() || !f.stamp.same(d.stampOf(name)) {
			changed = append(changed, name)
		}
	}
	for name := range d.files {
		if !there[name] {
			changed = append(changed, name)
		}
	}
	d.updateLocked(changed)
	return nil
}

// update reads files again and puts in force what has changed.
func (d *dir) update(names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.updateLocked(names)
}

func (d *dir) updateLocked(names []string) {
	slices.Sort(names)
	names = slices.Compact(names)
	for _, r := range d.readAll(names) {
		d.settleLocked(r.name, r.file, true)
	}
}

// list returns the names of the files that count, within path.
func (d *dir) list() ([]string, error) {
	var names []string
	err := filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
		if path == d.path {
			return err
		}
		name := e.Name()
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it has just gone
			}
			return err
		}
		if e.IsDir() {
			if strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		}
		if counts(name) {
			rel, err := filepath.Rel(d.path, path)
			if err != nil {
				return err
			}
			names = append(names, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return names, nil
}

// counts reports whether a file of that name is to be a public certificate, or
// a revoked one.
func counts(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	for _, suffix := range []string{cert.SecretSuffix, "~", ".swp", ".tmp"} {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	return true
}

// groupsOf returns the groups that a file is in by its place: for a/b/x.key they
// are a and a/b.
func groupsOf(name string) (groups []string) {
	name = filepath.ToSlash(name)
	for i, c := range name {
		if c == '/' {
			groups = append(groups, name[:i])
		}
	}
	return groups
}

// result is what a file is now: nil if it is gone or doesn't count.
type result struct {
	name string
	file *file
}

// readAll reads files, several at a time.
func (d *dir) readAll(names []string) []result {
	return parallel(names, func(name string) result { return result{name, d.read(name, d.files[name])} })
}

// read returns what a file is now, of which something is known already, or nil.
func (d *dir) read(name string, old *file) *file {
	path := filepath.Join(d.path, name)
	at := d.stampOf(name)
	if !at.exists {
		return nil
	}
	text, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sum := sha256.Sum256(text)
	if err == nil && old != nil && sum == old.sum {
		same := *old
		same.stamp = at
		return &same
	}
	now := &file{stamp: at, sum: sum}
	if err == nil {
		now.identity, err = d.parse(name, path, text)
		clear(text)
	}
	if err != nil {
		now.err, now.since = err, time.Now()
		if old != nil {
			now.identity = old.identity
			now.reported = old.reported && old.err != nil && old.err.Error() == err.Error()
		}
	}
	return now
}

// parse reads the identity in a file.
func (d *dir) parse(name, path string, text []byte) (*Identity, error) {
	var revoked *Revocation
	if strings.HasSuffix(name, revokedSuffix) {
		var err error
		if revoked, text, err = parseRevoked(path, text); err != nil {
			return nil, err
		}
		name = strings.TrimSuffix(name, revokedSuffix)
	}
	c, err := readCertificate(text, path, d.log)
	if err != nil {
		return nil, err
	}
	id := newIdentity(c, strings.TrimSuffix(filepath.Base(name), publicSuffix), path, groupsOf(name))
	id.Revoked = revoked
	return id, nil
}

// settleLocked puts in force what a file is now.
func (d *dir) settleLocked(name string, now *file, log bool) {
	var before, after *Identity
	if old := d.files[name]; old != nil {
		before = old.identity
	}
	if now != nil {
		d.files[name], after = now, now.identity
	} else {
		delete(d.files, name)
	}
	if before == after {
		return
	}
	if before != nil && (after == nil || before.Key() != after.Key()) {
		d.holdLocked(before.Key(), name, false)
	}
	if after != nil {
		d.holdLocked(after.Key(), name, true)
	}
	if log {
		switch {
		case before == nil:
			d.log.Info("identity "+verb(after, "added"), "name", after.Name, "key", after.Key(), "file", after.Source)
		case after == nil:
			d.log.Info("identity removed", "name", before.Name, "key", before.Key(), "file", before.Source)
		default:
			d.log.Info("identity "+verb(after, "changed"), "name", after.Name, "key", after.Key(), "file", after.Source)
		}
	}
}

// verb says what became of an identity.
func verb(id *Identity, what string) string {
	if id.Revoked != nil {
		return "revoked"
	}
	return what
}

// holdLocked notes that a file holds a key, or no longer does, and puts in force
// which identity the key has: a revoked one before all others, else that in the
// first file by name.
func (d *dir) holdLocked(key curve.PublicKey, name string, holds bool) {
	names := d.holders[key]
	i, found := slices.BinarySearch(names, name)
	switch {
	case holds && !found:
		names = slices.Insert(slices.Clone(names), i, name)
	case !holds && found:
		names = slices.Delete(slices.Clone(names), i, i+1)
		delete(d.duplicates, name)
	}
	if len(names) == 0 {
		delete(d.holders, key)
		d.index.set(key, nil)
		return
	}
	d.holders[key] = names
	first := d.files[names[0]].identity
	for _, other := range names[1:] {
		id := d.files[other].identity
		if id.Revoked != nil && first.Revoked == nil {
			first = id
		}
	}
	for _, n := range names {
		id := d.files[n].identity
		if id == first || first.Revoked != nil {
			delete(d.duplicates, n)
		} else if !d.duplicates[n] {
			d.duplicates[n] = true
			d.log.Warn("two certificates have one key: the first counts", "key", key, "first", first.Source, "other", id.Source)
		}
	}
	d.index.set(key, first)
}

// report logs what is wrong with files since before a time, once. It tells
// whether there is more to report later.
func (d *dir) report(before time.Time) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reportLocked(before)
}

func (d *dir) reportLocked(before time.Time) (more bool) {
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		if f.err == nil || f.reported {
			continue
		}
		if f.since.After(before) {
			more = true
			continue
		}
		f.reported = true
		if f.identity != nil {
			d.log.Error("broken certificate: its last good version stays in force", "err", f.err, "name", f.identity.Name)
		} else {
			d.log.Error("broken certificate: its owner is not known", "err", f.err)
		}
	}
	return more
}

// readBounded reads a file that is not larger than a certificate can be. One
// octet more is enough for package cert to refuse it.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, cert.MaxFile+1))
}
