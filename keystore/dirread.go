package keystore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// What the names of files end with.
const (
	publicSuffix  = ".key"
	revokedSuffix = ".revoked"
)

// leftovers are what names end with that programs leave behind: editors, patch,
// Debian's and Red Hat's packages.
var leftovers = []string{"~", ".swp", ".tmp", ".save", ".orig", ".bak", ".old", ".rej",
	".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-tmp", ".dpkg-bak", ".rpmsave", ".rpmorig", ".rpmnew"}

// isLeftover reports whether a file of that name is one of these.
func isLeftover(name string) bool {
	for _, suffix := range leftovers {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// counts reports whether a file of that name is to be a public certificate, or
// a revoked one: it isn't hidden, secret or a leftover.
func counts(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, cert.SecretSuffix) && !isLeftover(name)
}

// isRevokedFile reports whether the certificate in a file of that name is revoked.
func isRevokedFile(name string) bool { return strings.HasSuffix(name, revokedSuffix) }

// identityName is what the identity in a file is called.
func identityName(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), revokedSuffix), publicSuffix)
}

// groupsOf returns the groups that a file is in by its place: for a/b/x.key they
// are a and a/b. A directory whose name can't be told from those of several groups is
// none.
func groupsOf(name string) (groups []string) {
	name = filepath.ToSlash(name)
	begin := 0
	for i, c := range name {
		if c == '/' {
			if !isGroupName(name[begin:i]) {
				break
			}
			groups, begin = append(groups, name[:i]), i+1
		}
	}
	return groups
}

// isGroupName reports whether a directory of that name can be a group: in a list with
// commas between, as services get it, it is one name, and the same.
func isGroupName(name string) bool {
	return strings.TrimSpace(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return r == ',' || unicode.IsControl(r) })
}

// depth is how many directories within the store a file is in.
func depth(name string) int { return strings.Count(filepath.ToSlash(name), "/") }

// content tells whether a file has changed.
type content struct {
	stamp follow.Stamp      // of the file when it was read last
	sum   [sha256.Size]byte // of its content
}

// publicCertificate is a certificate that was read, and is only ever exchanged.
type publicCertificate struct{ *cert.Certificate }

// result is what a file is now.
type result struct {
	name string
	file *file // nil if it is gone
	busy bool  // it is being written: as it was, for now
}

// reader is follow.Read or follow.ReadOwn.
type reader func(path string, limit int) ([]byte, follow.Stamp, error)

// readAll reads files, several at a time.
func (d *dir) readAll(names []string, read reader) []result {
	return parallel(names, func(name string) result {
		f, busy := d.read(name, d.files[name], read)
		return result{name, f, busy}
	})
}

// maxCertificate is the size in octets of the largest file that is read.
const maxCertificate = cert.MaxFile

// read returns what a file is now, of which something is known already, or nil.
func (d *dir) read(name string, old *file, read reader) (now *file, busy bool) {
	path := filepath.Join(d.path, name)
	text, stamp, err := read(path, maxCertificate)
	switch {
	case isRevokedFile(name) && (errors.Is(err, follow.ErrBusy) || isInPlace(path, err)):
		if busy = errors.Is(err, follow.ErrBusy); busy && old != nil && old.certificate != nil {
			return nil, true
		}
		// What it says isn't known: it blocks the certificate beside it.
	case errors.Is(err, follow.ErrBusy):
		return nil, true
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, follow.ErrNotRegular):
		return nil, false
	}
	defer clear(text)
	sum := sha256.Sum256(text)
	if err == nil && old != nil && sum == old.sum {
		same := *old
		same.stamp = stamp
		return &same, false
	}
	now = &file{content: content{stamp, sum}}
	if err == nil {
		var c *cert.Certificate
		if c, err = readCertificate(text, path, d.log); err == nil {
			now.certificate = &publicCertificate{c}
		}
	}
	if err != nil {
		now.err, now.since = err, time.Now()
		if old != nil && old.err != nil && old.err.Error() == err.Error() {
			now.since, now.reported = old.since, old.reported
		}
	}
	return now, busy
}

// isInPlace reports whether there is something at path that can't be read as a file: a
// pipe, or a link that leads nowhere.
func isInPlace(path string, err error) bool {
	if errors.Is(err, follow.ErrNotRegular) {
		return true
	}
	_, gone := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist) && gone == nil
}

// readCertificate reads a certificate that is to be known, which must be sound. What
// isn't public of it is wiped.
func readCertificate(text []byte, path string, log *slog.Logger) (*cert.Certificate, error) {
	c, err := cert.Parse(text)
	if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
		place.File = path
	}
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		log.Warn("certificate: "+w.Text, "file", fmt.Sprintf("%s:%d", path, w.Line))
	}
	if !c.Secret.IsZero() || c.Locked != nil {
		log.Warn("certificate: it holds a secret key, which does not belong here: put the public certificate in its place", "file", path)
	}
	c.Secret.Wipe()
	c.Secret, c.Locked, c.Warnings = curve.SecretKey{}, nil, nil
	if err := c.Check(); err != nil { // its time is looked at in each decision
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// recordsDir is the hidden directory with the records of revocations: a file for each
// key, whose name is the key in hexadecimal. The name is what counts.
const recordsDir = ".revoked"

func (d *dir) recordsPath() string { return filepath.Join(d.path, recordsDir) }

func (d *dir) recordPath(key curve.PublicKey) string {
	return filepath.Join(d.recordsPath(), hex.EncodeToString(key[:]))
}

// record is what is known of the record of a revocation.
type record struct {
	content
	revocation *Revocation
	gone       bool   // as reported
	err        string // why it can't be read, as reported
}

// readRecords reads those records that don't certainly look as when they were read
// last, or each if it is thorough. If they can't be read that is an error.
func (d *dir) readRecords(thorough bool) error {
	entries, err := os.ReadDir(d.recordsPath())
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = os.Lstat(d.recordsPath()); err == nil { // a link that leads nowhere, or it has just come
			entries, err = os.ReadDir(d.recordsPath())
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if d.unsure = err != nil; d.unsure {
		return fmt.Errorf("keystore: the revocations can't be read: %w", err)
	}
	there := make(map[curve.PublicKey]bool, len(entries))
	var changed []curve.PublicKey
	for _, e := range entries {
		key, ok := recordKey(e.Name())
		if !ok {
			continue
		}
		there[key] = true
		if r := d.records[key]; thorough || r == nil || r.gone || !r.stamp.IsOf(d.recordPath(key)) {
			changed = append(changed, key)
		}
	}
	for key, r := range d.records {
		if !there[key] && !r.gone {
			r.gone = true
			if r.revocation.InForce() {
				d.log.Error("the record of a revocation is gone: the key stays refused. To lift it: zcert store unrevoke", "key", key, "file", d.recordPath(key))
			}
		}
	}
	for _, key := range changed {
		d.readRecord(key)
	}
	return nil
}

// recordKey is the key of the record in a file of that name, if it is one. Capitals,
// as some file systems give them, are none of this package's, and make it one that
// can't be read.
func recordKey(name string) (key curve.PublicKey, ok bool) {
	octets, err := hex.DecodeString(name)
	if err != nil || len(octets) != len(key) {
		return key, false
	}
	return curve.PublicKey(octets), true
}

// lookAtRecord reads the record of a key's revocation, if there is one.
func (d *dir) lookAtRecord(key curve.PublicKey) error {
	switch _, err := os.Lstat(d.recordPath(key)); {
	case err == nil:
		d.readRecord(key)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("keystore: the revocations can't be read: %w", err)
	}
	return nil
}

// readRecord reads the record of a revocation, which is there, and puts it in force.
func (d *dir) readRecord(key curve.PublicKey) {
	path := d.recordPath(key)
	text, stamp, err := follow.ReadOwn(path, maxRecord)
	old := d.records[key]
	now := &record{content: content{stamp, sha256.Sum256(text)}}
	if err == nil && old != nil && old.sum == now.sum {
		now.revocation = old.revocation
		d.records[key] = now
		return
	}
	if err == nil {
		now.revocation, err = parseRecord(key, text)
	}
	if err != nil {
		if old != nil && old.revocation.InForce() {
			now.revocation = old.revocation
		} else {
			// It must not seem older than it may be: what was lifted before is no reason
			// to forget it.
			now.revocation = &Revocation{Time: stamp.Changed().Truncate(time.Second)}
		}
		if old == nil || old.err != err.Error() {
			d.log.Error("the record of a revocation can't be read: the key is refused", "key", key, "file", path, "err", err)
		}
		now.err = err.Error()
	}
	d.records[key] = now
	d.mu.Lock()
	defer d.mu.Unlock()
	_, before := d.Revocation(key)
	if !now.revocation.InForce() && d.holdsRevoked(key) {
		return
	}
	d.revokeLocked(key, now.revocation)
	switch _, after := d.Revocation(key); {
	case !before && after: // its identity is gone with that
		d.log.Info("key revoked", "name", now.revocation.Name, "key", key, "file", path)
	case before && !after:
		d.log.Info("revocation lifted", "name", now.revocation.Name, "key", key, "file", path)
		d.composeLocked(key)
	}
}

// maxRecord is the size in octets of the largest record that is read.
const maxRecord = 4*maxCertificate + 8<<10

// holdsRevoked reports whether a file whose name says that it is revoked has a key.
func (d *dir) holdsRevoked(key curve.PublicKey) bool {
	for _, name := range d.holders[key] {
		if isRevokedFile(name) {
			return true
		}
	}
	return false
}

// revocationOfFile is that of a certificate in a file whose name says it.
func revocationOfFile(name string, f *file) *Revocation {
	r := &Revocation{Time: f.stamp.Changed().Truncate(time.Second), Reason: "the file " + filepath.ToSlash(name), Name: identityName(name), Groups: groupsOf(name)}
	if checkReason(r.Reason) != nil {
		r.Reason = "the name of a file"
	}
	return r
}
