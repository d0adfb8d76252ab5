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
	"github.com/zcurve/zcurve/internal/form"
)

// Suffixes of file names.
const (
	publicSuffix  = ".key"
	revokedSuffix = ".revoked"
)

// leftovers are the suffixes of files that editors, patch, and the package managers of
// Debian and Red Hat leave behind.
var leftovers = []string{"~", ".swp", ".tmp", ".save", ".orig", ".bak", ".old", ".rej",
	".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-tmp", ".dpkg-bak", ".rpmsave", ".rpmorig", ".rpmnew"}

// isLeftover reports whether a program leaves a file of this name behind.
func isLeftover(name string) bool {
	for _, suffix := range leftovers {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// counts reports whether a file of this name should contain a public or revoked
// certificate. Other files are ignored: hidden files, secret certificates, and leftovers.
func counts(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, cert.SecretSuffix) && !isLeftover(name)
}

// isRevokedFile reports whether a file of this name revokes the certificate in it.
func isRevokedFile(name string) bool { return strings.HasSuffix(name, revokedSuffix) }

// identityName returns the name of the identity in a file.
func identityName(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), revokedSuffix), publicSuffix)
}

// groupsOf returns the groups of a file: for a/b/x.key, they are a and a/b.
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

// isGroupName reports whether a directory of this name is a group. Services receive
// groups in a list with commas, where they must read the same name.
func isGroupName(name string) bool {
	return strings.TrimSpace(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return r == ',' || unicode.IsControl(r) })
}

// depth returns the number of directories within the store around a file.
func depth(name string) int { return strings.Count(filepath.ToSlash(name), "/") }

// content shows whether a file has changed.
type content struct {
	stamp follow.Stamp // when it was last read
	sum   [sha256.Size]byte
}

// publicCertificate is a certificate in a file. While the file is unchanged, the pointer
// stays the same.
type publicCertificate struct{ *cert.Certificate }

// result is the current state of a file.
type result struct {
	name string
	file *file // nil if the file is missing
	busy bool  // it is being written: its old state is used for now
}

// reader is follow.Read or follow.ReadOwn.
type reader func(path string, limit int) ([]byte, follow.Stamp, error)

// readAll reads files in parallel.
func (d *dir) readAll(names []string, read reader) []result {
	return parallel(names, func(name string) result {
		f, busy := d.read(name, d.files[name], read)
		return result{name, f, busy}
	})
}

// maxCertificate is the size in bytes of the largest file that is read.
const maxCertificate = form.MaxFile

// read returns the current state of a file. old is its last known state, or nil.
func (d *dir) read(name string, old *file, read reader) (now *file, busy bool) {
	path := filepath.Join(d.path, name)
	text, stamp, err := read(path, maxCertificate)
	switch {
	case isRevokedFile(name) && (errors.Is(err, follow.ErrBusy) || isInPlace(path, err)):
		if busy = errors.Is(err, follow.ErrBusy); busy && old != nil && old.certificate != nil {
			return nil, true
		}
		// The key that it revokes is unknown, so it blocks the file with the same name.
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

// isInPlace reports whether path is something other than a file: a pipe, or a dangling
// link.
func isInPlace(path string, err error) bool {
	if errors.Is(err, follow.ErrNotRegular) {
		return true
	}
	_, gone := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist) && gone == nil
}

// readCertificate reads a certificate, whose keys and signature must be valid. It may
// have expired: each decision checks that. A secret key in it is wiped.
func readCertificate(text []byte, path string, log *slog.Logger) (*cert.Certificate, error) {
	c, err := cert.Parse(text)
	if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
		place.File = path
	}
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		log.Warn("certificate warning", "file", path, "line", w.Line, "reason", w.Text)
	}
	if _, locked := c.Locked(); locked || !c.Secret.IsZero() {
		log.Warn("secret key in the keystore: replace this file with the public certificate", "file", path)
	}
	c.Secret.Wipe()
	c = c.WithoutSecret()
	if err := checkKeys(c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// recordsDir is the hidden directory with the records of revocations. The name of each
// is the key in hexadecimal, so that the key is known even if the record is damaged.
const recordsDir = ".revoked"

func (d *dir) recordsPath() string { return filepath.Join(d.path, recordsDir) }

func (d *dir) recordPath(key curve.PublicKey) string {
	return filepath.Join(d.recordsPath(), hex.EncodeToString(key[:]))
}

// record is the last known state of the record of a revocation.
type record struct {
	content
	revocation *RevokedKey
	gone       bool   // as logged
	err        string // the error that was logged
}

// readRecords reads the records that may have changed, or all records if thorough is true. It
// returns an error if it can't read their directory.
func (d *dir) readRecords(thorough bool) error {
	entries, err := os.ReadDir(d.recordsPath())
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = os.Lstat(d.recordsPath()); err == nil { // a dangling link, or the directory was just created
			entries, err = os.ReadDir(d.recordsPath())
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if d.unsure = err != nil; d.unsure {
		return fmt.Errorf("reading the revocations failed: %w", err)
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
				d.log.Error(msgRecordGone, "key", key, "file", d.recordPath(key))
			}
		}
	}
	for _, key := range changed {
		d.readRecord(key)
	}
	return nil
}

// recordKey returns the key of a record from its file name; ok is false for other names.
// It accepts uppercase digits, which some file systems return. Such a record can't be
// read by its proper name, so the key is refused.
func recordKey(name string) (key curve.PublicKey, ok bool) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(key) {
		return key, false
	}
	return curve.PublicKey(b), true
}

// lookAtRecord reads the record of a key, if it exists.
func (d *dir) lookAtRecord(key curve.PublicKey) error {
	switch _, err := os.Lstat(d.recordPath(key)); {
	case err == nil:
		d.readRecord(key)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the revocations failed: %w", err)
	}
	return nil
}

// readRecord reads the record of a key, which exists, and applies it.
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
			// It must not look older than it can be: otherwise, a policy could treat it
			// as lifted since then.
			now.revocation = &RevokedKey{Time: stamp.Changed().Truncate(time.Second)}
		}
		if old == nil || old.err != err.Error() {
			d.log.Error("invalid revocation record: refusing the key", "key", key, "file", path, "err", err)
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
	case !before && after:
		d.log.Info("key revoked", "identity", now.revocation.Name, "key", key, "file", path)
	case before && !after:
		d.log.Info("revocation lifted", "identity", now.revocation.Name, "key", key, "file", path)
		d.composeLocked(key)
	}
}

// maxRecord is the size in bytes of the largest record that is read.
const maxRecord = 4*maxCertificate + 8<<10

// holdsRevoked reports whether a file NAME.revoked has this key.
func (d *dir) holdsRevoked(key curve.PublicKey) bool {
	for _, name := range d.holders[key] {
		if isRevokedFile(name) {
			return true
		}
	}
	return false
}

// revocationOfFile returns the revocation of the key in a file NAME.revoked.
func revocationOfFile(name string, f *file) *RevokedKey {
	r := &RevokedKey{Time: f.stamp.Changed().Truncate(time.Second), Reason: "the file " + filepath.ToSlash(name), Name: identityName(name), Groups: groupsOf(name)}
	if checkReason(r.Reason) != nil {
		r.Reason = "the name of a file"
	}
	return r
}
