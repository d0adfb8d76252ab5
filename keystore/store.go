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
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
)

var (
	// ErrURL means that a text names no kind of store.
	ErrURL = errors.New("unknown kind of store: expected dir:PATH, bolt:FILE, mem:, file:FILE or env:NAME")
	// ErrNotFound means that a store has no identity with a key.
	ErrNotFound = errors.New("no identity with this key")
	// ErrReadOnly means that a store can't be written.
	ErrReadOnly = errors.New("this kind of store can't be written")
	// ErrGroup means that a name can't be that of a group: a part of it between
	// slashes is empty, begins with a dot, or has other characters than blanks and
	// those of ZPL names (RFC 4).
	ErrGroup = errors.New("unusable name of a group")
	// ErrName means that an identity can't have a name: it is empty, too long, reads
	// like a key, another identity has it, or it can't be that of a file in a directory.
	ErrName = errors.New("unusable name of an identity")
	// ErrRevoked means that a key is revoked in the store: its identity can't be put
	// there again before the revocation is lifted.
	ErrRevoked = errors.New("its key is revoked")
	// ErrInUse means that another process has been writing a store for too long.
	ErrInUse = errors.New("another process is writing it")
)

// Store is a set of identities, at most one for each key, and of revoked keys. Its
// methods are safe for concurrent use.
type Store interface {
	// Lookup returns the identity that has this key, unless the key is revoked.
	Lookup(key curve.PublicKey) (*Identity, bool)
	// Revocation returns the revocation of a key that is in force, whether or not
	// an identity had it.
	Revocation(key curve.PublicKey) (*Revocation, bool)
	// Holder returns the key of an identity with this name, if there is one.
	Holder(name string) (curve.PublicKey, bool)
	// Len returns how many identities there are whose key isn't revoked.
	Len() int
	// All yields the identities whose key isn't revoked, in no order.
	All() iter.Seq[*Identity]
	// Revocations yields all revocations, in no order, also those that were lifted.
	Revocations() iter.Seq2[curve.PublicKey, *Revocation]
	// Generation returns a number that grows with each change of the revocations.
	Generation() uint64

	// Put adds identities, each in the place of the one with its key. When it
	// returns, they are on the disk. A certificate's secret key is not kept. If it
	// fails some may have been put, but none if the fault can be seen before: ErrRevoked,
	// ErrName, ErrGroup, ErrReadOnly, or that of cert.Certificate.AppendPublic and
	// VerifySignature.
	Put(entries ...Entry) error
	// Remove forgets an identity. Its revocation, if there is one, stays. The error is
	// ErrNotFound or ErrReadOnly.
	Remove(key curve.PublicKey) error
	// Revoke refuses a key from now on, whether or not the store has an identity with
	// it. When it returns nil that is on the disk. at is noted, and reason, words for
	// people, which may be empty. A key that is revoked stays as it was. The error is
	// ErrReadOnly, or ErrReason for what can't be written.
	Revoke(key curve.PublicKey, at time.Time, reason string) error
	// Restore is Revoke with all that an exported revocation holds. One that was lifted is
	// only noted, where the store has no revocation of the key. The error is ErrReadOnly or
	// ErrReason.
	Restore(key curve.PublicKey, r *Revocation) error
	// Unrevoke lifts the revocation of a key, and notes when and why, also for a key
	// that isn't revoked here: others may remember that it was. If it was, the identity
	// that had the key is there again, if its name is still free. at is moved behind the
	// times of the revocation and of an earlier lifting, as that of Revoke is behind
	// the last lifting: so their order can be told although the clock was set back. The
	// error is ErrReadOnly or ErrReason.
	Unrevoke(key curve.PublicKey, at time.Time, reason string) error

	// Reload reads everything again. If that fails everything stays as it was.
	Reload() error
	// Watch follows what others change, until ctx is done; the error is then nil.
	Watch(ctx context.Context) error
	// Close ends the use of the store, which must not be used afterwards.
	Close() error
}

// Identity is somebody whom a store knows. It must not be changed.
type Identity struct {
	// Name is what the operator calls the identity: its file's name, or the name
	// that it was put with. It is never what the certificate says of itself.
	Name string
	// UserID is what a service is told: the name, or the key in Z85 where the name
	// can't tell who it is. Then another identity of the store has it too, or it
	// reads like a key, or it isn't printable ASCII of at most 255 octets.
	UserID      string
	Certificate *cert.Certificate   // the public one
	Others      []*cert.Certificate // further certificates of the same key
	Groups      []string            // of all places that have it, by where they are; in order
	Source      string              // where it was read: a file, say

	rank      int  // how deep its place is; of those with one name the least deep has it
	ambiguous bool // the places that have it call it by several names
	sum       sum  // of its value in a bolt: store

	memo atomic.Pointer[any] // see Memo
}

// Entry is what is put into a store: a certificate, under a name, in groups.
type Entry struct {
	Name        string // at most 255 octets of printable ASCII, not what reads like a key
	Certificate *cert.Certificate
	Groups      []string
}

// Key is the identity's public key.
func (id *Identity) Key() curve.PublicKey { return id.Certificate.Public }

// InGroup reports whether the identity is in a group, by where it is.
func (id *Identity) InGroup(group string) bool { return slices.Contains(id.Groups, group) }

// Memo returns what make returned when it was first called for this identity. It
// is for what one user of a store makes of an identity, and needs often; it goes
// with the identity.
func (id *Identity) Memo(make func(*Identity) any) any {
	if v := id.memo.Load(); v != nil {
		return *v
	}
	v := make(id)
	id.memo.CompareAndSwap(nil, &v)
	return *id.memo.Load()
}

// Open opens a store. The error is ErrURL, or tells why it can't be read. What in
// it is no certificate is in the log, with file and line, and doesn't keep the
// others from being known. A nil log discards.
func Open(url string, log *slog.Logger) (Store, error) {
	kind, path, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	switch kind {
	case "dir":
		return openDir(path, log)
	case "bolt":
		return openBolt(path, log)
	case "file":
		return openFile(path, log)
	case "env":
		return openEnv(path, log)
	}
	return newMem(), nil
}

// Create makes an empty store if it doesn't exist: a directory, or the file of a
// bolt: store. Other kinds need no making.
func Create(url string) error {
	kind, path, err := parseURL(url)
	if err != nil {
		return err
	}
	switch kind {
	case "dir":
		err = os.MkdirAll(path, dirMode)
	case "bolt":
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			err = createBolt(path)
		}
	}
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	return nil
}

// parseURL takes the URL of a store apart.
func parseURL(url string) (kind, path string, err error) {
	kind, path = "dir", url
	if k, rest, ok := strings.Cut(url, ":"); ok && !strings.ContainsAny(k, `/\.`) && len(k) > 1 { // C: is a drive
		kind, path = k, rest
	}
	if !slices.Contains([]string{"dir", "bolt", "mem", "file", "env"}, kind) || (path == "") != (kind == "mem") {
		return "", "", fmt.Errorf("keystore: %q: %w", url, ErrURL)
	}
	return kind, path, nil
}

// prepare makes an identity of what is to be put into a store. Nothing of the
// certificate is kept but what is public of it, and only if its signature is right.
func prepare(e Entry) (*Identity, error) {
	if err := checkName(e.Name); err != nil {
		return nil, err
	}
	if err := checkGroups(e.Groups); err != nil {
		return nil, err
	}
	text, err := e.Certificate.AppendPublic(nil)
	if err != nil {
		return nil, fmt.Errorf("keystore: %s: %w", e.Name, err)
	}
	public, err := cert.Parse(text)
	if err == nil {
		err = public.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: %s: %w", e.Name, err)
	}
	return &Identity{Name: e.Name, UserID: e.Name, Certificate: public, Groups: sorted(e.Groups)}, nil
}

// maxName is the length in octets of the longest user id (RFC 27).
const maxName = 255

// checkName refuses what an identity can't be put with.
func checkName(name string) error {
	if !isUserID(name) {
		return fmt.Errorf("keystore: %w: %.100q: expected 1 to %d octets of printable ASCII", ErrName, name, maxName)
	}
	if _, err := curve.ParsePublicKey(name); err == nil {
		return fmt.Errorf("keystore: %w: %q reads like a key", ErrName, name)
	}
	return nil
}

func isUserID(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}

// checkGroups refuses what can't be the name of a group: of a directory, or of one
// in another with a / between.
func checkGroups(groups []string) error {
	for _, g := range groups {
		for part := range strings.SplitSeq(g, "/") {
			if strings.HasPrefix(part, ".") || strings.HasSuffix(part, " ") || strings.HasSuffix(part, ".") ||
				zpl.CheckName(strings.ReplaceAll(part, " ", "_")) != nil {
				return fmt.Errorf("keystore: %w: %q", ErrGroup, g)
			}
		}
	}
	return nil
}

// sorted returns groups in order, each once.
func sorted(groups []string) []string {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	return slices.Compact(groups)
}
