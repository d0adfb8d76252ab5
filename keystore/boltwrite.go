package keystore

import (
	"crypto/rand"
	"encoding/json"
	"time"

	"go.etcd.io/bbolt"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// buckets are those of a transaction that writes.
type buckets struct{ identities, revocations, sums *bbolt.Bucket }

// write changes the file in one transaction: all of it is there in the end, or
// nothing. What others wrote since is read before. change returns what is then to be
// put in force, with memory.mu held.
func (b *bolt) write(change func(buckets) (apply func(), err error)) error {
	b.work.Lock()
	defer b.work.Unlock()
	var apply func()
	version := []byte(rand.Text())
	err := b.transaction(true, func(tx *bbolt.Tx) error {
		if err := b.load(tx); err != nil {
			return err
		}
		var all buckets
		for _, bucket := range []struct {
			name []byte
			is   **bbolt.Bucket
		}{{identitiesBucket, &all.identities}, {revocationsBucket, &all.revocations}, {sumsBucket, &all.sums}} {
			var err error
			if *bucket.is, err = tx.CreateBucketIfNotExists(bucket.name); err != nil {
				return err
			}
		}
		var err error
		if apply, err = change(all); err != nil {
			return err
		}
		return all.sums.Put(versionKey, version)
	})
	if err != nil {
		return err
	}
	b.version, b.stamp = version, follow.Look(b.path)
	b.mu.Lock()
	defer b.mu.Unlock()
	apply()
	return nil
}

// Put writes them in one transaction: all are there in the end, or none.
func (b *bolt) Put(entries ...Entry) error {
	return b.write(func(file buckets) (func(), error) {
		b.mu.Lock()
		identities, err := b.prepareLocked(entries)
		b.mu.Unlock()
		if err != nil {
			return nil, err
		}
		for _, id := range identities {
			if err := file.put(id); err != nil {
				return nil, err
			}
			id.Source = b.path
		}
		return func() {
			for _, id := range identities {
				b.setLocked(id.Key(), id)
			}
		}, nil
	})
}

// put writes an identity.
func (file buckets) put(id *Identity) error {
	v, err := value(id)
	if err != nil {
		return err
	}
	id.sum = boltSum(v)
	key := id.Key()
	return file.identities.Put(key[:], v)
}

func (b *bolt) Remove(key curve.PublicKey) error {
	return b.write(func(file buckets) (func(), error) {
		if file.identities.Get(key[:]) == nil {
			return nil, notFound(key)
		}
		return func() { b.setLocked(key, nil) }, file.identities.Delete(key[:])
	})
}

// Revoke writes the revocation and removes the identity in one transaction.
func (b *bolt) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	return b.Restore(key, newRevocation(at, reason))
}

func (b *bolt) Restore(key curve.PublicKey, r *Revocation) error {
	if err := r.check(); err != nil {
		return err
	}
	return b.write(func(file buckets) (func(), error) {
		before, known := b.revocations.get(key)
		if file.isRevoked(key) || known && !r.InForce() {
			return func() {}, nil
		}
		if !r.InForce() {
			return func() { b.revokeLocked(key, r) }, file.revoke(key, r)
		}
		id, _ := b.identities.get(key)
		r := r.after(before, id)
		if err := file.revoke(key, r); err != nil {
			return nil, err
		}
		return func() { b.revokeLocked(key, r) }, file.identities.Delete(key[:])
	})
}

func (b *bolt) Unrevoke(key curve.PublicKey, at time.Time, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return b.write(func(file buckets) (func(), error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		r, e, ok := b.liftedLocked(key, at, reason)
		if err := file.revoke(key, r); err != nil {
			return nil, err
		}
		var id *Identity
		if ok {
			if other, taken := b.names.holder(e.Name); !taken || other == key {
				id, _ = prepare(e) // one that can't be put any more stays away
			}
		}
		if id != nil {
			id.Source = b.path
			if err := file.put(id); err != nil {
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

// isRevoked reports whether the file has a revocation of a key that is in force, or
// can't be read.
func (file buckets) isRevoked(key curve.PublicKey) bool {
	value := file.revocations.Get(key[:])
	if value == nil {
		return false
	}
	var r Revocation
	text, ok := unsum(key[:], value)
	return !ok || decodeStrictly(text, &r) != nil || r.InForce()
}

// revoke writes a revocation, or one that was lifted, and the sum of all.
func (file buckets) revoke(key curve.PublicKey, r *Revocation) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	isNew := file.revocations.Get(key[:]) == nil
	if err := file.revocations.Put(key[:], withSum(key[:], text)); err != nil || !isNew {
		return err
	}
	sum := append([]byte(nil), file.sums.Get(revocationsSum)...)
	if len(sum) == 0 {
		sum = sumOf(nil)
	}
	addSum(sum, key)
	return file.sums.Put(revocationsSum, sum)
}
