package keystore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore/internal/kv"
)

// boltBusy is how long Watch leaves the file unread while other processes write it
// continuously.
const boltBusy = time.Second

// Buckets of a bolt: store. The keys of the first two are public keys.
const (
	identitiesBucket  = "identities"
	revocationsBucket = "revocations"
	sumsBucket        = "sums"
)

var (
	// revocationsSum is the key in sumsBucket of the number of revocations and the
	// exclusive or of the hashes of their keys. It shows if one is lost.
	revocationsSum = []byte("revocations")
	// versionKey is the key in sumsBucket of a random text that changes with each state
	// of a store.
	versionKey = []byte("version")
)

// errNoBolt means that the program does not import package boltstore.
var errNoBolt = errors.New(`this program can't open bolt: keystores: it needs import _ "github.com/zcurve/zcurve/keystore/boltstore"`)

// bolt is a store of kind bolt:. Memory holds all of it, too.
type bolt struct {
	memory
	file     kv.Driver
	path     string
	follower follow.Follower

	work    sync.Mutex // held to read and write the file; taken before memory.mu
	stamp   follow.Stamp
	version []byte                  // the version in memory; nil before the first reading
	unsure  bool                    // read everything, even if the version is the same
	invalid map[curve.PublicKey]sum // unreadable entries that were logged
}

// sum shows whether an identity has changed in the file.
type sum [16]byte

func sumOf(value []byte) sum {
	s := sha256.Sum256(value)
	return sum(s[:len(sum{})])
}

// boltHead holds the data of an identity that are not in its certificate.
type boltHead struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"`
}

func openBolt(path string, log *slog.Logger) (*bolt, error) {
	if kv.Files == nil {
		return nil, errNoBolt
	}
	b := &bolt{file: kv.Files, path: path, memory: memory{log: log}, follower: follow.Follower{Name: path, Log: log}, invalid: map[curve.PublicKey]sum{}}
	if err := b.refresh(); err != nil {
		return nil, err
	}
	log.Info("keystore loaded", "keystore", path, "identities", b.Len())
	return b, nil
}

// createBolt creates an empty file.
func createBolt(path string) error {
	if kv.Files == nil {
		return errNoBolt
	}
	return kv.Files.Create(path)
}

// refresh reads the changes in the file.
func (b *bolt) refresh() error {
	stamp := follow.Look(b.path)
	if err := b.file.View(b.path, b.load); err != nil {
		return err
	}
	// Copying over the file takes no lock. In case that is in progress, read everything
	// again next time.
	b.stamp, b.unsure = stamp, follow.IsBusy(b.path)
	return nil
}

// Reload also notices that another file has replaced this one.
func (b *bolt) Reload() error {
	b.work.Lock()
	defer b.work.Unlock()
	b.unsure = true // even if the file claims to have the same version
	if err := b.noteRead(b.refresh()); err != nil {
		return err
	}
	b.log.Info("keystore reloaded", "keystore", b.path, "identities", b.Len())
	return nil
}

func (b *bolt) Watch(ctx context.Context) error {
	var out outage
	var busy time.Time // when others began to write
	b.follower.Follow(ctx, func([]string, bool) follow.Next {
		b.work.Lock()
		defer b.work.Unlock()
		next := follow.Next{Dirs: []string{filepath.Dir(b.path)}}
		if b.stamp.Exists() && b.stamp.IsOf(b.path) {
			return next
		}
		if !follow.IsBusy(b.path) {
			busy = time.Time{}
		} else {
			next.After = follow.Stillness
			if busy.IsZero() {
				busy = time.Now()
			}
			if time.Since(busy) < boltBusy { // after that, read between two writers
				return next
			}
		}
		err := b.refresh()
		gone, again := out.note(&b.memory, b.path, err)
		if gone {
			b.forget()
			b.version = []byte("gone") // no file has this version
		}
		next.After = max(next.After, again)
		return next
	})
	return nil
}

// write changes the file in one transaction, so that the file has all changes or none. It
// first reads what others have written. change returns a function that applies the change
// to memory, to be called with memory.mu held.
func (b *bolt) write(change func(boltTx) (apply func(), err error)) error {
	b.work.Lock()
	defer b.work.Unlock()
	var apply func()
	version := []byte(rand.Text())
	err := b.file.Update(b.path, func(tx kv.Tx) (err error) {
		if err = b.load(tx); err != nil {
			return err
		}
		if apply, err = change(boltTx{tx}); err != nil {
			return err
		}
		return tx.Put(sumsBucket, versionKey, version)
	})
	if err != nil {
		return named(err)
	}
	b.version, b.stamp = version, follow.Look(b.path)
	b.mu.Lock()
	defer b.mu.Unlock()
	apply()
	return nil
}

// Put writes all identities in one transaction.
func (b *bolt) Put(ids ...*Identity) error {
	return b.write(func(tx boltTx) (func(), error) {
		b.mu.Lock()
		identities, err := b.prepareLocked(ids)
		b.mu.Unlock()
		if err != nil {
			return nil, err
		}
		for _, id := range identities {
			if err := tx.put(id); err != nil {
				return nil, err
			}
			id.Place = b.path
		}
		return func() {
			for _, id := range identities {
				b.setLocked(id.Key(), id)
			}
		}, nil
	})
}

func (b *bolt) Remove(key curve.PublicKey) error {
	return b.write(func(tx boltTx) (func(), error) {
		if tx.Get(identitiesBucket, key[:]) == nil {
			return nil, notFound(key)
		}
		return func() { b.setLocked(key, nil) }, tx.Delete(identitiesBucket, key[:])
	})
}

func (b *bolt) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return b.Restore(key, newRevokedKey(at, reason))
}

// Restore writes the revocation and removes the identity in one transaction.
func (b *bolt) Restore(key curve.PublicKey, r *RevokedKey) error {
	r, err := r.prepared()
	if err != nil {
		return named(err)
	}
	return b.write(func(tx boltTx) (func(), error) {
		before, known := b.revocations.get(key)
		if tx.isRevoked(key) || known && !r.InForce() {
			return func() {}, nil
		}
		if !r.InForce() {
			return func() { b.revokeLocked(key, r) }, tx.revoke(key, r)
		}
		id, _ := b.identities.get(key)
		r := r.after(before, id)
		if err := tx.revoke(key, r); err != nil {
			return nil, err
		}
		return func() { b.revokeLocked(key, r) }, tx.Delete(identitiesBucket, key[:])
	})
}

func (b *bolt) Unrevoke(key curve.PublicKey, at time.Time, reason string) error {
	if err := checkReason(reason); err != nil {
		return named(err)
	}
	return b.write(func(tx boltTx) (func(), error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		r, id := b.liftedLocked(key, at, reason)
		if err := tx.revoke(key, r); err != nil {
			return nil, err
		}
		if id != nil {
			if other, taken := b.names.holder(id.Name); taken && other != key {
				id = nil
			}
		}
		if id != nil {
			id.Place = b.path
			if err := tx.put(id); err != nil {
				return nil, err
			}
		}
		return func() {
			b.revokeLocked(key, r)
			if id != nil {
				b.setLocked(key, id)
			}
		}, nil
	})
}

func (b *bolt) Close() error { return nil }

// boltTx is a transaction that writes a store.
type boltTx struct{ kv.Tx }

// put writes an identity.
func (tx boltTx) put(id *Identity) error {
	v, err := boltValue(id)
	if err != nil {
		return err
	}
	id.sum = sumOf(v)
	key := id.Key()
	return tx.Put(identitiesBucket, key[:], v)
}

// isRevoked reports whether the file has a revocation of key that was not lifted, or a
// record that can't be read.
func (tx boltTx) isRevoked(key curve.PublicKey) bool {
	value := tx.Get(revocationsBucket, key[:])
	if value == nil {
		return false
	}
	var r RevokedKey
	text, ok := unsum(key[:], value)
	return !ok || decodeStrictly(text, &r) != nil || r.InForce()
}

// revoke writes a revocation, lifted or not, and updates the sum.
func (tx boltTx) revoke(key curve.PublicKey, r *RevokedKey) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	isNew := tx.Get(revocationsBucket, key[:]) == nil
	if err := tx.Put(revocationsBucket, key[:], withSum(key[:], text)); err != nil || !isNew {
		return err
	}
	sum := append([]byte(nil), tx.Get(sumsBucket, revocationsSum)...)
	if len(sum) == 0 {
		sum = sumOfKeys(nil)
	}
	addToSum(sum, key)
	return tx.Put(sumsBucket, revocationsSum, sum)
}
