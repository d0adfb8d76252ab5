package keystore

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// dir is a store of kind dir:, a directory of certificate files. Its subdirectories are
// groups, except for a hidden one with the records of revocations.
type dir struct {
	memory
	path     string
	follower follow.Follower

	work    sync.Mutex                   // held to read and write files; taken before memory.mu
	files   map[string]*file             // by name within path
	holders map[curve.PublicKey][]string // the sorted names of the files with a key
	records map[curve.PublicKey]*record  // of revocations
	unsure  bool                         // the last attempt to read the records failed
	lost    map[string]bool              // unreadable directories that were logged
	unnamed map[string]bool              // directories that aren't groups and were logged
}

// file is the last known state of a file.
type file struct {
	content
	certificate *publicCertificate // nil if it has no valid certificate
	err         error              // why it has no certificate
	since       time.Time          // when err was found
	reported    bool               // err is in the log
}

func openDir(path string, log *slog.Logger) (*dir, error) {
	d := &dir{path: filepath.Clean(path), memory: memory{log: log},
		files: map[string]*file{}, holders: map[curve.PublicKey][]string{}, records: map[curve.PublicKey]*record{}, lost: map[string]bool{}, unnamed: map[string]bool{}}
	d.follower = follow.Follower{Name: d.path, Log: log, AtOnce: d.applyAtOnce}
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
		time.Sleep(follow.Stillness) // by then, most files are complete
		results = d.readAll(found.names, follow.Read)
	}
	d.mu.Lock()
	for _, r := range results {
		if r.file == nil { // the file is missing or incomplete: Watch reads it later
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
	log.Info("keystore loaded", "keystore", d.path, "identities", d.Len())
	return d, nil
}

func (d *dir) Reload() error {
	d.work.Lock()
	defer d.work.Unlock()
	_, _, err := d.updateAll(true)
	if err = d.noteRead(err); err != nil {
		return err
	}
	d.report(time.Now())
	d.log.Info("keystore reloaded", "keystore", d.path, "identities", d.Len())
	return nil
}

// updateAll reads the files that may have changed, or all files if thorough is true, and
// applies the changes. It returns the directories to watch, and the files that are being
// written. While the revocations can't be read, it only removes identities.
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

// update reads files and applies the changes. It returns the files that are being
// written, which must be read again.
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

// lostBy returns the key that a file had and no longer has. The key may have been revoked
// since the records were read. Revoke writes the record before it removes the file, so
// reading the record now ensures that a revoked key is never merely unknown.
func (d *dir) lostBy(r result) (key curve.PublicKey, ok bool) {
	old := d.files[r.name]
	if old == nil || old.certificate == nil {
		return key, false
	}
	key = old.certificate.Public
	return key, r.file == nil || r.file.certificate == nil || r.file.certificate.Public != key
}

// settle applies the current state of a file, which is nil if the file is missing.
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
				d.log.Info("key revoked", "identity", d.revocationName(after.Public), "key", after.Public, "file", filepath.Join(d.path, name))
			}
		}
		// It may have blocked another file, or may block one now.
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

// hold records that a file has a key, or no longer has it.
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

// composeLocked sets the identity of a key, and logs changes.
func (d *dir) composeLocked(key curve.PublicKey) {
	before, _ := d.identities.get(key)
	d.setLocked(key, d.compose(d.holders[key]))
	after, _ := d.identities.get(key)
	switch {
	case before == nil && after == nil:
		if _, revoked := d.Revocation(key); revoked && len(d.holders[key]) > 0 {
			d.log.Warn("key is revoked: ignoring the certificate", "key", key, "file", filepath.Join(d.path, d.holders[key][0]))
		}
	case before == nil:
		d.log.Info("identity added", "identity", after.Name, "key", key, "file", after.Place)
	case after == nil:
		d.log.Info("identity removed", "identity", before.Name, "key", key, "file", before.Place)
	default:
		d.log.Info("identity changed", "identity", after.Name, "key", key, "file", after.Place)
	}
}

// compose returns the identity of the files with one key: it is in the groups of all of
// them, and has the name of the least deep. It returns nil if all are blocked.
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
		Place: filepath.Join(d.path, first), rank: depth(first)}
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

// isBlocked reports whether the certificate in a file is to be ignored: the file is
// NAME.revoked, or such a file exists for it and can't be read.
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

// report logs each file that has been invalid since before a given time, once. It reports
// whether there are more to log later.
func (d *dir) report(before time.Time) (more bool) {
	var invalid []string
	for name, f := range d.files {
		if f.err != nil && !f.reported {
			invalid = append(invalid, name)
		}
	}
	slices.Sort(invalid)
	for _, name := range invalid {
		f := d.files[name]
		if f.since.After(before) {
			more = true
			continue
		}
		f.reported = true
		if isRevokedFile(name) {
			d.log.Error("invalid revoked certificate: ignoring the certificate with the same name", "file", filepath.Join(d.path, name), "err", f.err)
		} else {
			d.log.Error("invalid certificate: ignoring it", "file", filepath.Join(d.path, name), "err", f.err)
		}
	}
	return more
}

// warnOfLeftovers warns about files that this package ignores and other programs read.
func (d *dir) warnOfLeftovers(names []string) {
	for _, name := range names {
		path := filepath.Join(d.path, name)
		text, _, err := follow.Read(path, maxCertificate)
		if err != nil {
			continue
		}
		if c, err := readCertificate(text, path, slog.New(slog.DiscardHandler)); err == nil {
			d.log.Warn("leftover file with a certificate: zcurve ignores it, but czmq admits its key", "key", c.Public, "file", path)
		}
		clear(text)
	}
}
