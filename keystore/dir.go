package keystore

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// dir is a store of the kind dir:, a directory of certificate files. The names of
// the directories in it are groups. Revocations are in a hidden one.
type dir struct {
	memory
	path     string
	follower follow.Follower

	work    sync.Mutex                   // held to read and write files; taken before memory.mu
	files   map[string]*file             // by their names within path
	holders map[curve.PublicKey][]string // the files that hold a key, in the order of their names
	records map[curve.PublicKey]*record  // the records of revocations
	unsure  bool                         // the records couldn't be read the last time
	lost    map[string]bool              // directories that can't be read, as reported
	unnamed map[string]bool              // those that are no groups, as reported
}

// file is what is known of a file.
type file struct {
	content
	certificate *publicCertificate // nil if it holds none that is good
	err         error              // why
	since       time.Time          // when err was found
	reported    bool               // err is in the log
}

// openDir reads a directory.
func openDir(path string, log *slog.Logger) (*dir, error) {
	d := &dir{path: filepath.Clean(path), memory: memory{log: log},
		files: map[string]*file{}, holders: map[curve.PublicKey][]string{}, records: map[curve.PublicKey]*record{}, lost: map[string]bool{}, unnamed: map[string]bool{}}
	d.follower = follow.Follower{Name: d.path, Log: log}
	d.work.Lock()
	defer d.work.Unlock()
	if err := d.readRecords(true); err != nil {
		return nil, err
	}
	found, err := d.list()
	if err != nil {
		return nil, err
	}
	results := d.readAll(found.names, follow.Read)
	if slices.ContainsFunc(results, func(r result) bool { return r.busy }) {
		time.Sleep(follow.Stillness) // most are written by then
		results = d.readAll(found.names, follow.Read)
	}
	d.mu.Lock()
	for _, r := range results {
		if r.file == nil { // it is gone, or being written: Watch reads it
			continue
		}
		d.files[r.name] = r.file
		if c := r.file.certificate; c != nil {
			d.holders[c.Public] = append(d.holders[c.Public], r.name)
			if isRevokedFile(r.name) {
				d.revokeLocked(c.Public, revocationOfFile(r.name, r.file))
			}
		}
	}
	identities := make([]*Identity, 0, len(d.holders))
	for _, names := range d.holders {
		slices.Sort(names)
		if id := d.compose(names); id != nil {
			identities = append(identities, id)
		}
	}
	d.mu.Unlock()
	d.fill(identities)
	d.warnOfLeftovers(found.leftovers)
	d.report(time.Now())
	log.Info("keystore read", "keystore", d.path, "identities", d.Len())
	return d, nil
}

// Reload reads the whole directory again.
func (d *dir) Reload() error {
	d.work.Lock()
	defer d.work.Unlock()
	if _, _, err := d.updateAll(true); err != nil {
		return err
	}
	d.report(time.Now())
	d.log.Info("keystore read again", "keystore", d.path, "identities", d.Len())
	return nil
}

// updateAll brings what is known of all files up to date: of those that don't
// certainly look as when they were read last, or of each if it is thorough. It
// returns the directories in which changes matter, and which files are being
// written. While the revocations can't be read nothing new is known, but what is
// gone is.
func (d *dir) updateAll(thorough bool) (dirs, busy []string, err error) {
	recordsErr := d.readRecords(thorough)
	found, err := d.list()
	if err != nil {
		return nil, nil, err
	}
	there := make(map[string]bool, len(found.names))
	var changed []string
	for _, name := range found.names {
		there[name] = true
		if recordsErr != nil {
			continue
		}
		if f := d.files[name]; thorough || f == nil || !f.stamp.IsOf(filepath.Join(d.path, name)) {
			changed = append(changed, name)
		}
	}
	for name := range d.files {
		if !there[name] && !found.isLost(name) {
			changed = append(changed, name)
		}
	}
	if thorough {
		d.warnOfLeftovers(found.leftovers)
	}
	return found.dirs, d.update(changed, follow.Read), recordsErr
}

// update reads files again and puts in force what has changed. It returns those that
// are being written, which must be looked at again.
func (d *dir) update(names []string, read reader) (busy []string) {
	slices.Sort(names)
	names = slices.Compact(names)
	for _, r := range d.readAll(names, read) {
		if r.busy {
			busy = append(busy, r.name)
		}
		if !r.busy || r.file != nil {
			if key, ok := d.lostBy(r); ok {
				_ = d.lookAtRecord(key)
			}
			d.settle(r.name, r.file)
		}
	}
	return busy
}

// lostBy returns the key that a file held and holds no more. It may have been revoked
// since the records were read: who revokes writes the record first, so that is known now,
// and no key that is revoked is merely unknown for a while.
func (d *dir) lostBy(r result) (key curve.PublicKey, ok bool) {
	old := d.files[r.name]
	if old == nil || old.certificate == nil {
		return key, false
	}
	key = old.certificate.Public
	return key, r.file == nil || r.file.certificate == nil || r.file.certificate.Public != key
}

// settle puts in force what a file is now: nil if it is gone.
func (d *dir) settle(name string, now *file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var before, after *publicCertificate
	if old := d.files[name]; old != nil {
		before = old.certificate
	}
	if now != nil {
		d.files[name], after = now, now.certificate
	} else {
		delete(d.files, name)
	}
	if before != nil && (after == nil || before.Public != after.Public) {
		d.hold(before.Public, name, false)
	}
	if after != nil {
		d.hold(after.Public, name, true)
	}
	if isRevokedFile(name) {
		if after != nil {
			if _, revoked := d.Revocation(after.Public); !revoked {
				d.revokeLocked(after.Public, revocationOfFile(name, now))
				d.log.Info("key revoked", "name", d.revocationName(after.Public), "key", after.Public, "file", filepath.Join(d.path, name))
			}
		}
		// It may block another, or no longer.
		base := strings.TrimSuffix(name, revokedSuffix)
		for _, other := range []string{base, base + publicSuffix} {
			if f := d.files[other]; f != nil && f.certificate != nil {
				d.composeLocked(f.certificate.Public)
			}
		}
	}
	if before != nil && before != after {
		d.composeLocked(before.Public)
	}
	if after != nil && before != after {
		d.composeLocked(after.Public)
	}
}

func (d *dir) revocationName(key curve.PublicKey) string {
	if r, ok := d.Revocation(key); ok {
		return r.Name
	}
	return ""
}

// hold notes that a file holds a key, or no longer does.
func (d *dir) hold(key curve.PublicKey, name string, holds bool) {
	names := d.holders[key]
	i, found := slices.BinarySearch(names, name)
	switch {
	case holds && !found:
		names = slices.Insert(slices.Clone(names), i, name)
	case !holds && found:
		names = slices.Delete(slices.Clone(names), i, i+1)
	}
	if len(names) == 0 {
		delete(d.holders, key)
	} else {
		d.holders[key] = names
	}
}

// composeLocked puts in force which identity a key has, and logs what has changed.
func (d *dir) composeLocked(key curve.PublicKey) {
	before, _ := d.identities.get(key)
	d.setLocked(key, d.compose(d.holders[key]))
	after, _ := d.identities.get(key)
	switch {
	case before == nil && after == nil:
		if _, revoked := d.Revocation(key); revoked && len(d.holders[key]) > 0 {
			d.log.Warn("a certificate doesn't count: its key is revoked", "key", key, "file", filepath.Join(d.path, d.holders[key][0]))
		}
	case before == nil:
		d.log.Info("identity added", "name", after.Name, "key", key, "file", after.Source)
	case after == nil:
		d.log.Info("identity removed", "name", before.Name, "key", key, "file", before.Source)
	default:
		d.log.Info("identity changed", "name", after.Name, "key", key, "file", after.Source)
	}
}

// compose makes an identity of the files that hold a key: in the groups of all of
// them, and called as the least deep of them is. It is nil if none counts.
func (d *dir) compose(names []string) *Identity {
	names = slices.DeleteFunc(slices.Clone(names), d.isBlocked)
	if len(names) == 0 {
		return nil
	}
	first := slices.MinFunc(names, func(a, b string) int {
		if depth(a) != depth(b) {
			return depth(a) - depth(b)
		}
		return strings.Compare(a, b)
	})
	id := &Identity{Name: identityName(first), Certificate: d.files[first].certificate.Certificate,
		Source: filepath.Join(d.path, first), rank: depth(first)}
	id.UserID = id.Name
	for _, name := range names {
		id.Groups = append(id.Groups, groupsOf(name)...)
		if name == first {
			continue
		}
		if depth(name) == id.rank && identityName(name) != id.Name {
			id.ambiguous = true
		}
		if d.files[name].sum != d.files[first].sum {
			id.Others = append(id.Others, d.files[name].certificate.Certificate)
		}
	}
	id.Groups = sorted(id.Groups)
	return id
}

// isBlocked reports whether a file holds no certificate that counts: it is that of a
// revocation, or there is one for it that can't be read.
func (d *dir) isBlocked(name string) bool {
	if isRevokedFile(name) {
		return true
	}
	for _, by := range []string{name + revokedSuffix, strings.TrimSuffix(name, publicSuffix) + revokedSuffix} {
		if f := d.files[by]; f != nil && f.certificate == nil {
			return true
		}
	}
	return false
}

// report logs what is wrong with files since before a time, once. It tells
// whether there is more to report later.
func (d *dir) report(before time.Time) (more bool) {
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
		if isRevokedFile(name) {
			d.log.Error("broken file of a revocation: the certificate beside it doesn't count", "err", f.err)
		} else {
			d.log.Error("broken certificate: its owner is not known", "err", f.err)
		}
	}
	return more
}

// warnOfLeftovers warns of files that don't count here and do for other programs.
func (d *dir) warnOfLeftovers(names []string) {
	for _, name := range names {
		path := filepath.Join(d.path, name)
		text, _, err := follow.Read(path, maxCertificate)
		if err != nil {
			continue
		}
		if c, err := readCertificate(text, path, slog.New(slog.DiscardHandler)); err == nil {
			d.log.Warn("a leftover holds a certificate: it doesn't count here, but czmq would accept it", "key", c.Public, "file", path)
		}
		clear(text)
	}
}
