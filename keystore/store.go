package keystore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
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
	ErrURL = errors.New("unknown kind of store: want dir:PATH, bolt:FILE, mem:, file:FILE or env:NAME")
	// ErrNotFound means that a store has no identity with a key.
	ErrNotFound = errors.New("no identity with this key")
	// ErrReadOnly means that a store can't be written.
	ErrReadOnly = errors.New("this kind of store can't be written")
	// ErrGroup means that a name can't be that of a group: a part of it between
	// slashes is empty, begins with a dot, or has other characters than blanks and
	// those of ZPL names (RFC 4).
	ErrGroup = errors.New("unusable name of a group")
	// ErrInUse means that another process holds a bolt: store.
	ErrInUse = errors.New("another process has it open")
)

// Store is a set of identities, at most one for each key. Its methods are safe
// for concurrent use.
type Store interface {
	// Lookup returns the identity that has this key, revoked or not.
	Lookup(key curve.PublicKey) (*Identity, bool)
	// Len returns how many identities there are.
	Len() int
	// All yields the identities, in no order.
	All() iter.Seq[*Identity]

	// Put adds an identity, or replaces the one with its key. When it returns, the
	// identity is on the disk. A certificate's secret key is not kept. Groups are
	// what ErrGroup allows; those in the metadata needn't be given. The error is
	// ErrReadOnly, ErrGroup, or that of cert.Certificate.AppendPublic.
	Put(c *cert.Certificate, groups ...string) error
	// PutAll is Put for many, which is faster than one by one. If it fails, some may
	// have been put.
	PutAll(certificates []*cert.Certificate, groups ...string) error
	// Remove forgets an identity. The error is ErrNotFound or ErrReadOnly.
	Remove(key curve.PublicKey) error
	// Revoke marks an identity as revoked at a time, for a reason in words, which
	// may be empty. An identity that was revoked stays as it was. The error is
	// ErrNotFound, ErrReadOnly, or cert.ErrProperty for what can't be written.
	Revoke(key curve.PublicKey, at time.Time, reason string) error

	// Reload reads everything again. If that fails everything stays as it was.
	Reload() error
	// Watch follows what others change, until ctx is done; the error is then nil.
	Watch(ctx context.Context) error
	// Close ends the use of the store, which must not be used afterwards.
	Close() error
}

// Identity is one certificate in a store. It must not be changed.
type Identity struct {
	Name        string            // what its metadata calls it, else its file
	Certificate *cert.Certificate // the public one
	Groups      []string          // by where it is, and by the metadata's property group
	Revoked     *Revocation       // nil if it is active
	Source      string            // where it was read: a file, say

	memo atomic.Pointer[any] // see Memo
}

// Revocation is when and why an identity was revoked.
type Revocation struct {
	Time   time.Time `json:"time"`             // in whole seconds
	Reason string    `json:"reason,omitempty"` // for people; may be empty
}

// Key is the identity's public key.
func (id *Identity) Key() curve.PublicKey { return id.Certificate.Public }

// InGroup reports whether the identity is in a group.
func (id *Identity) InGroup(group string) bool { return slices.Contains(id.Groups, group) }

// Memo returns what make returned when it was first called for this identity. It
// is for what one user of a store makes of an identity, and wants often; it goes
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
// others from being known. A nil log is none.
func Open(url string, log *slog.Logger) (Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	kind, path := "dir", url
	if k, rest, ok := strings.Cut(url, ":"); ok && !strings.ContainsAny(k, `/\.`) && len(k) > 1 { // C: is a drive
		kind, path = k, rest
	}
	if (path == "") != (kind == "mem") {
		return nil, fmt.Errorf("keystore: %q: %w", url, ErrURL)
	}
	switch kind {
	case "dir":
		return openDir(path, log)
	case "bolt":
		return openBolt(path, log)
	case "mem":
		return newMem(), nil
	case "file":
		return openFile(path, log)
	case "env":
		return openEnv(path, log)
	}
	return nil, fmt.Errorf("keystore: %q: %w", url, ErrURL)
}

// newIdentity makes an identity of a certificate, which it takes over: without
// what isn't public. fallback is its name if the metadata has none.
func newIdentity(c *cert.Certificate, fallback, source string, groups []string) *Identity {
	c.Secret.Wipe()
	c.Secret, c.Locked = curve.SecretKey{}, nil
	id := &Identity{Name: c.Name(), Certificate: c, Source: source, Groups: groups}
	if id.Name == "" {
		id.Name = fallback
	}
	if group, ok := c.Metadata.Get("group"); ok && group != "" && !slices.Contains(groups, group) {
		id.Groups = append(slices.Clip(groups), group)
	}
	return id
}

// checkGroups refuses what can't be the name of a group: of a directory, or of one
// in another with a / between.
func checkGroups(groups []string) error {
	for _, g := range groups {
		for part := range strings.SplitSeq(g, "/") {
			if strings.HasPrefix(part, ".") || zpl.CheckName(strings.ReplaceAll(part, " ", "_")) != nil {
				return fmt.Errorf("keystore: %w: %q", ErrGroup, g)
			}
		}
	}
	return nil
}
