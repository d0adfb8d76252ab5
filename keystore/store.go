package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/internal/zpl"
)

var (
	// ErrNotFound means that a store has no identity with a key.
	ErrNotFound = errors.New("no identity with this key")
	// ErrReadOnly means that stores of a kind cannot be changed.
	ErrReadOnly = errors.New("this kind of keystore is read-only")
	// ErrRevoked means that an identity's key is revoked in the store. Unrevoke lifts the
	// revocation; after that, the identity can be put there again.
	ErrRevoked = errors.New("the key is revoked")
)

var (
	errURL   = errors.New("unknown keystore URL: must be dir:PATH, bolt:FILE, mem:, file:FILE or env:NAME")
	errGroup = errors.New("invalid group name")
	errName  = errors.New("invalid name")
)

// A Reader finds identities by key. Implement it to admit clients that your program keeps
// elsewhere. Its method must be safe for concurrent use.
type Reader interface {
	// Lookup returns the identity with this key. ok is false if there is none, or if the
	// key is revoked. An identity needs only a Certificate, which never expires without
	// Validity, and a UserID if services should know the client by a name. A Reader that
	// is not a Store may block, for example on a database query.
	Lookup(key curve.PublicKey) (id *Identity, ok bool)
}

// A Store is a keystore: a set of identities, at most one for each key, and a set of
// revoked keys. Methods that change it return when the change is on the disk. Safe for
// concurrent use.
type Store interface {
	Reader

	// Revocation returns the revocation of a key, unless it was lifted. The store need
	// not have had an identity with this key.
	Revocation(key curve.PublicKey) (*RevokedKey, bool)
	// Holder returns the key of an identity with this name, if there is one.
	Holder(name string) (curve.PublicKey, bool)
	// Len returns the number of identities whose key isn't revoked.
	Len() int
	// All yields the identities whose key isn't revoked, in no order.
	All() iter.Seq[*Identity]
	// Revocations yields all revocations, including lifted ones, in no order.
	Revocations() iter.Seq2[curve.PublicKey, *RevokedKey]
	// Generation returns a number that grows with each change of the revocations.
	Generation() uint64

	// Put adds identities, and replaces those with the same keys. It copies their names,
	// groups and certificates, without secret keys. It checks all identities before it
	// writes any. It returns ErrRevoked if a key is revoked, ErrReadOnly if the store
	// cannot be changed, and another error if a name, a group or a certificate is
	// invalid, if another identity has the name, or if a key is given with two names. If
	// writing fails, some identities may have been put.
	Put(ids ...*Identity) error
	// Remove removes an identity. It does not lift a revocation of the key. It returns
	// ErrNotFound if there is no such identity, or ErrReadOnly.
	Remove(key curve.PublicKey) error
	// Revoke refuses a key from now on, whether or not the store has an identity with
	// it, and records when and why. reason may be empty. If the key is revoked
	// already, nothing changes. It returns ErrReadOnly, or another error if reason has
	// control characters, both kinds of quotes, or more than 900 bytes.
	Revoke(key curve.PublicKey, at time.Time, reason string) error
	// Restore is like Revoke, but copies everything that another store has recorded. It
	// only records a lifted revocation, and only if the store has no revocation of the
	// key.
	Restore(key curve.PublicKey, r *RevokedKey) error
	// Unrevoke lifts the revocation of a key, and records when and why. It does so even
	// for a key that isn't revoked here, because policies may remember the revocation
	// from another store. It puts back the identity that had the key, if its name is
	// still free. To keep the order of events if the clock was set back, the recorded
	// time is never before that of the revocation or of an earlier lifting. It returns
	// the same errors as Revoke, and ErrRevoked while a file NAME.revoked in a directory
	// revokes the key.
	Unrevoke(key curve.PublicKey, at time.Time, reason string) error

	// Reload reads everything again. If it fails, it adds and changes no identity.
	Reload() error
	// Err returns why the store could not be read when Watch or Reload last tried, or nil
	// if it could.
	Err() error
	// Watch notices changes that other processes make, and applies them, until ctx is
	// done. It then returns nil. Identities that can't be read at the moment stay as they
	// were. While the store is missing, it has no identities.
	Watch(ctx context.Context) error
	// Close releases the store, which must not be used afterwards. It may be called
	// more than once.
	Close() error
}

// An Identity is a client that a store knows. Plain data: don't change it while it is
// in use.
type Identity struct {
	// Name is the identity's name in the keystore: its file's name, or the name given to
	// Put, of 1 to 255 characters of printable ASCII. It never comes from the
	// certificate.
	Name string
	// UserID is the user id that services receive: the name, or the key in Z85 if another
	// identity has the same name, or if the name looks like a key or isn't printable
	// ASCII of at most 255 bytes. Put ignores UserID. A Reader may leave it empty, which
	// means the key.
	UserID      string
	Certificate *cert.Certificate   // without a secret key
	Others      []*cert.Certificate // further certificates of the same key
	Groups      []string            // groups of all its places, sorted
	Place       string              // where it was read, such as a file

	rank      int  // depth of its place; the least deep identity with a name gets it
	ambiguous bool // its files have different names
	sum       sum  // hash of its value in a bolt: store
}

// Key returns the identity's public key.
func (id *Identity) Key() curve.PublicKey { return id.Certificate.Public }

// Open opens a keystore by its URL (see the package comment). It logs certificates that
// it can't read, with file and line, and ignores them. If log is nil, nothing is logged.
func Open(url string, log *slog.Logger) (Store, error) {
	kind, path, err := parseURL(url)
	if err != nil {
		return nil, named(err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var s Store
	switch kind {
	case storeurl.Dir:
		s, err = openDir(path, log)
	case storeurl.Bolt:
		s, err = openBolt(path, log)
	case storeurl.File:
		s, err = openFile(path, log)
	case storeurl.Env:
		s, err = openEnv(path, log)
	default:
		s = NewMemory()
	}
	if err != nil {
		return nil, named(err)
	}
	return s, nil
}

// Create creates an empty keystore if it doesn't exist: a directory, or the file of a
// bolt: keystore. For other kinds it does nothing.
func Create(url string) error {
	kind, path, err := parseURL(url)
	if err != nil {
		return named(err)
	}
	switch kind {
	case storeurl.Dir:
		err = os.MkdirAll(path, dirMode)
	case storeurl.Bolt:
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			err = createBolt(path)
		}
	}
	return named(err)
}

// named puts the package's name in front of an error that an exported function returns.
func named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keystore: %w", err)
}

// parseURL splits a URL into the kind of store and the rest.
func parseURL(url string) (kind, path string, err error) {
	kind, path = storeurl.Split(url)
	isKnown := storeurl.HasPath(kind) || kind == storeurl.Env || kind == storeurl.Memory
	if !isKnown || (path == "") != (kind == storeurl.Memory) {
		return "", "", fmt.Errorf("%q: %w", url, errURL)
	}
	return kind, path, nil
}

// prepare returns a checked copy of an identity for Put, with only the public part of the
// certificate.
func prepare(id *Identity) (*Identity, error) {
	if id == nil {
		return nil, errors.New("nil identity")
	}
	if err := checkName(id.Name); err != nil {
		return nil, err
	}
	if err := checkGroups(id.Groups); err != nil {
		return nil, err
	}
	if id.Certificate == nil {
		return nil, fmt.Errorf("%s: no certificate", id.Name)
	}
	text, err := id.Certificate.AppendPublic(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id.Name, err)
	}
	public, err := cert.Parse(text)
	if err == nil {
		err = checkKeys(public)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id.Name, err)
	}
	return &Identity{Name: id.Name, UserID: id.Name, Certificate: public, Groups: sorted(id.Groups)}, nil
}

// maxName is the length in bytes of the longest user id (RFC 27).
const maxName = 255

// checkName returns an error for a name that Put does not allow.
func checkName(name string) error {
	if !isUserID(name) {
		return fmt.Errorf("%w %.100q: expected 1 to %d characters of printable ASCII", errName, name, maxName)
	}
	if _, err := curve.ParsePublicKey(name); err == nil {
		return fmt.Errorf("%w %q: it looks like a key", errName, name)
	}
	return nil
}

func isUserID(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}

// checkGroups returns an error for a group whose name can't be the path of a directory.
// The parts between slashes consist of the characters of ZPL names (RFC 4) and spaces.
func checkGroups(groups []string) error {
	for _, g := range groups {
		for part := range strings.SplitSeq(g, "/") {
			if strings.HasPrefix(part, ".") || strings.HasSuffix(part, " ") || strings.HasSuffix(part, ".") ||
				zpl.CheckName(strings.ReplaceAll(part, " ", "_")) != nil {
				return fmt.Errorf("%w %q", errGroup, g)
			}
		}
	}
	return nil
}

// sorted returns a sorted copy of groups without duplicates.
func sorted(groups []string) []string {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	return slices.Compact(groups)
}

// checkKeys returns an error for a certificate with keys that anyone can use. Parsing it
// has verified its signature.
func checkKeys(c *cert.Certificate) error {
	if err := cert.CheckKey(c.Public); err != nil || c.Authority == (cert.AuthorityKey{}) {
		return err
	}
	return c.Authority.Check()
}
