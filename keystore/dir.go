package keystore

import (
	"bytes"
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
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// ErrURL means that a text names no kind of store.
var ErrURL = errors.New("keystore: unknown kind of store: want dir:PATH")

// Identity is one certificate in a store. It must not be changed.
type Identity struct {
	Name     string // what its metadata calls it, else its file's name without ".key"
	Key      curve.PublicKey
	Metadata cert.Metadata
	Validity cert.Validity
	File     string // where it was read
}

// Dir is a directory of certificate files. A file counts if it is regular or a
// link to a regular file, isn't hidden, and its name doesn't end as those of
// secret certificates ("_secret") and of editors' leftovers do. Its methods
// are safe for concurrent use.
type Dir struct {
	path string
	log  *slog.Logger

	identities atomic.Pointer[map[curve.PublicKey]*Identity]

	mu         sync.Mutex // held to change what follows
	files      map[string]file
	duplicates map[string]bool // files whose key another file has, as reported
}

// file is what is known of a file.
type file struct {
	sum      [sha256.Size]byte // of the content that was read last
	identity *Identity         // its last good version; nil if there was none
	err      error             // what is wrong with the content
	since    time.Time         // when err was found
	reported bool              // err is in the log
}

// Open reads a store. The error is ErrURL, or tells why the directory can't be
// read. Files in it that are no certificates are in the log, with file and
// line; they don't keep the others from being known. A nil log is none.
func Open(url string, log *slog.Logger) (*Dir, error) {
	path := url
	if kind, rest, ok := strings.Cut(url, ":"); ok && !strings.ContainsAny(kind, `/\.`) && len(kind) > 1 {
		if kind != "dir" {
			return nil, fmt.Errorf("%w: %q", ErrURL, url)
		}
		path = rest
	}
	if path == "" {
		return nil, fmt.Errorf("%w: %q", ErrURL, url)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Dir{path: filepath.Clean(path), log: log, files: map[string]file{}, duplicates: map[string]bool{}}
	d.identities.Store(&map[curve.PublicKey]*Identity{})
	names, err := d.list()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.readLocked(name)
	}
	d.publishLocked()
	d.reportLocked(time.Now())
	log.Info("keystore read", "keystore", d.path, "identities", d.Len())
	return d, nil
}

// Lookup returns the identity that has this key.
func (d *Dir) Lookup(key curve.PublicKey) (id *Identity, ok bool) {
	id, ok = (*d.identities.Load())[key]
	return id, ok
}

// Len returns how many identities there are.
func (d *Dir) Len() int { return len(*d.identities.Load()) }

// Reload reads the whole directory again. If it can't be read everything stays
// as it was.
func (d *Dir) Reload() error {
	if err := d.updateAll(); err != nil {
		return err
	}
	d.report(time.Now())
	return nil
}

// updateAll is update for all files that are there, or were.
func (d *Dir) updateAll() error {
	names, err := d.list()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all := maps.Clone(d.files)
	for _, name := range names {
		all[name] = file{}
	}
	d.updateLocked(slices.Sorted(maps.Keys(all)))
	return nil
}

// list returns the names of the files that count.
func (d *Dir) list() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	var names []string
	for _, e := range entries {
		if counts(e.Name()) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// counts reports whether a file of that name is to be a public certificate.
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

// update reads files again and puts in force what has changed.
func (d *Dir) update(names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.updateLocked(names)
}

func (d *Dir) updateLocked(names []string) {
	changed := false
	for _, name := range names {
		before := d.files[name].identity
		d.readLocked(name)
		after := d.files[name].identity
		if before == after {
			continue
		}
		changed = true
		switch {
		case before == nil:
			d.log.Info("identity added", "name", after.Name, "key", after.Key, "file", after.File)
		case after == nil:
			d.log.Info("identity removed", "name", before.Name, "key", before.Key, "file", before.File)
		default:
			d.log.Info("identity changed", "name", after.Name, "key", after.Key, "file", after.File)
		}
	}
	if changed {
		d.publishLocked()
	}
}

// broken is the file with another content, or none, that is no certificate.
func (f file) broken(sum [sha256.Size]byte, err error) file {
	now := file{sum: sum, identity: f.identity, err: err, since: time.Now()}
	if f.err != nil && f.err.Error() == err.Error() {
		now.since, now.reported = f.since, f.reported
	}
	return now
}

// readLocked brings what is known of a file up to date.
func (d *Dir) readLocked(name string) {
	path := filepath.Join(d.path, name)
	old := d.files[name]
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		delete(d.files, name)
		return
	}
	text, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		delete(d.files, name)
		return
	}
	if err != nil {
		d.files[name] = old.broken(old.sum, err)
		return
	}
	sum := sha256.Sum256(text)
	if sum == old.sum {
		return
	}
	c, warnings, err := cert.Read(bytes.NewReader(text), path)
	clear(text)
	if err != nil {
		d.files[name] = old.broken(sum, err)
		return
	}
	for _, w := range warnings {
		d.log.Warn("certificate: "+w.Text, "file", fmt.Sprintf("%s:%d", path, w.Line))
	}
	if !c.Secret.IsZero() || c.Locked != nil {
		c.Secret.Wipe()
		d.log.Warn("certificate: it holds a secret key, which does not belong here: put the public certificate in its place", "file", path)
	}
	if err := c.VerifySignature(); err != nil && !errors.Is(err, cert.ErrUnsigned) {
		d.files[name] = old.broken(sum, fmt.Errorf("%s: %w", path, err))
		return
	}
	id := &Identity{Name: c.Name(), Key: c.Public, Metadata: c.Metadata, Validity: c.Validity, File: path}
	if id.Name == "" {
		id.Name = strings.TrimSuffix(name, ".key")
	}
	d.files[name] = file{sum: sum, identity: id}
}

// report logs what is wrong with files since before a time, once. It tells
// whether there is more to report later.
func (d *Dir) report(before time.Time) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reportLocked(before)
}

func (d *Dir) reportLocked(before time.Time) (more bool) {
	for name, f := range d.files {
		if f.err == nil || f.reported {
			continue
		}
		if f.since.After(before) {
			more = true
			continue
		}
		f.reported = true
		d.files[name] = f
		if f.identity != nil {
			d.log.Error("broken certificate: its last good version stays in force", "err", f.err, "name", f.identity.Name)
		} else {
			d.log.Error("broken certificate: its owner is not known", "err", f.err)
		}
	}
	return more
}

// publishLocked puts the known identities in force. Of several files with one
// key the first by name counts.
func (d *Dir) publishLocked() {
	identities := make(map[curve.PublicKey]*Identity, len(d.files))
	duplicates := map[string]bool{}
	for _, f := range d.files {
		if f.identity == nil {
			continue
		}
		first, other := f.identity, identities[f.identity.Key]
		if other != nil {
			if other.File < first.File {
				first, other = other, first
			}
			duplicates[other.File] = true
			if !d.duplicates[other.File] {
				d.log.Warn("two certificates have one key: the first counts", "key", first.Key, "first", first.File, "other", other.File)
			}
		}
		identities[first.Key] = first
	}
	d.duplicates = duplicates
	d.identities.Store(&identities)
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
