package keystore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/zcurve/zcurve/curve"
)

// entry is one key and value of the file.
type entry struct {
	key   curve.PublicKey
	value []byte
}

// loadPart is how many entries are read at a time.
const loadPart = 10_000

// load brings memory up to date with the file. A value that is as it was when it was
// read last isn't parsed again.
func (b *bolt) load(tx *bbolt.Tx) error {
	version := bucketGet(tx, sumsBucket, versionKey)
	changes := tx.ID()
	if tx.Writable() {
		changes--
	}
	if version == nil && changes > 1 { // every change writes it: whole buckets are lost
		return ErrDamaged
	}
	if b.version != nil && bytes.Equal(version, b.version) && !b.unsure {
		return nil
	}
	if err := b.loadRevocations(tx); err != nil {
		return err
	}
	isFirst := b.version == nil
	there := map[curve.PublicKey]bool{}
	var part []entry
	if bucket := tx.Bucket(identitiesBucket); bucket != nil {
		err := bucket.ForEach(func(k, v []byte) error {
			if len(k) != curve.KeySize {
				// Damage is told without its octets: bbolt trusts the lengths in a page, and
				// what it takes for a key may be this process's memory.
				b.log.Error("broken identity: its key isn't one", "keystore", b.path, "octets", len(k))
				return nil
			}
			key := curve.PublicKey(k)
			if !isFirst {
				there[key] = true
				if id, ok := b.identities.get(key); ok && id.sum == boltSum(v) {
					return nil
				}
			}
			if part = append(part, entry{key, bytes.Clone(v)}); len(part) == loadPart {
				b.take(part, isFirst)
				part = nil
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	b.take(part, isFirst)
	if !isFirst {
		for key := range b.identities.all() {
			if !there[key] {
				b.set(key, nil)
			}
		}
	}
	b.version = append([]byte{}, version...)
	return nil
}

// bucketGet returns a value, or nil.
func bucketGet(tx *bbolt.Tx, bucket, key []byte) []byte {
	if b := tx.Bucket(bucket); b != nil {
		return b.Get(key)
	}
	return nil
}

// take parses entries and puts in force what is in them.
func (b *bolt) take(part []entry, isFirst bool) {
	var good []*Identity
	for i, id := range parallel(part, b.parse) {
		key, sum := part[i].key, boltSum(part[i].value)
		if id == nil {
			if b.broken[key] != sum {
				b.log.Error("broken identity: its owner is not known", "keystore", b.path, "fingerprint", key.Fingerprint())
			}
			b.broken[key] = sum
			b.set(key, nil)
			continue
		}
		delete(b.broken, key)
		if good = append(good, id); !isFirst {
			b.set(key, id)
		}
	}
	if isFirst {
		b.fill(good)
	}
}

func (b *bolt) set(key curve.PublicKey, id *Identity) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setLocked(key, id)
}

// loadRevocations reads the revocations. One whose value is broken is in force, and
// one that is lost is an error.
func (b *bolt) loadRevocations(tx *bbolt.Tx) error {
	found := map[curve.PublicKey]*Revocation{}
	if bucket := tx.Bucket(revocationsBucket); bucket != nil {
		err := bucket.ForEach(func(k, v []byte) error {
			if len(k) != curve.KeySize {
				return ErrDamaged
			}
			key := curve.PublicKey(k)
			r := new(Revocation)
			if text, ok := unsum(k, v); !ok || decodeStrictly(text, r) != nil {
				b.log.Error("the record of a revocation can't be read: the key is refused", "keystore", b.path, "fingerprint", key.Fingerprint())
				r = new(Revocation)
			}
			found[key] = r
			return nil
		})
		if err != nil {
			return err
		}
	}
	stored := bucketGet(tx, sumsBucket, revocationsSum)
	if !bytes.Equal(stored, sumOf(found)) && (len(found) > 0 || stored != nil) {
		return fmt.Errorf("the revocations are %w", ErrDamaged)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, r := range found {
		if old, ok := b.revocations.get(key); !ok || *old.plain() != *r.plain() {
			b.revokeLocked(key, r)
		}
	}
	for key, r := range b.revocations.all() {
		if found[key] == nil && r.InForce() {
			b.log.Error("the record of a revocation is gone: the key stays refused. To lift it: zcert store unrevoke", "keystore", b.path, "key", key)
		}
	}
	return nil
}

// plain is what of a revocation can be compared.
func (r *Revocation) plain() *[4]any {
	return &[4]any{r.Time.Unix(), r.Reason, r.Lifted.Unix(), r.LiftedReason}
}

// sumOf is the value of revocationsSum.
func sumOf(revocations map[curve.PublicKey]*Revocation) []byte {
	sum := make([]byte, 8+sha256.Size)
	for key := range revocations {
		addSum(sum, key)
	}
	return sum
}

// addSum adds a key to such a value.
func addSum(sum []byte, key curve.PublicKey) {
	binary.BigEndian.PutUint64(sum, binary.BigEndian.Uint64(sum)+1)
	for i, octet := range sha256.Sum256(key[:]) {
		sum[8+i] ^= octet
	}
}

// keyedSum is the hash of a value and its key.
func keyedSum(key, value []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(key)
	h.Write(value)
	h.Sum(sum[:0])
	return sum
}

// withSum puts in front of a value the hash of it and its key.
func withSum(key, value []byte) []byte {
	sum := keyedSum(key, value)
	return append(sum[:], value...)
}

// unsum takes apart what withSum made, and reports whether it is unharmed.
func unsum(key, value []byte) (text []byte, ok bool) {
	if len(value) < sha256.Size {
		return nil, false
	}
	text = value[sha256.Size:]
	return text, keyedSum(key, text) == [sha256.Size]byte(value)
}

// decodeStrictly reads JSON without anything that isn't known.
func decodeStrictly(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one value")
	}
	return nil
}

// parse reads an entry, and returns nil for one that is broken.
func (b *bolt) parse(e entry) *Identity {
	text, ok := unsum(e.key[:], e.value)
	if !ok {
		return nil
	}
	head, text, ok := bytes.Cut(text, []byte("\n"))
	var r boltRecord
	if !ok || decodeStrictly(head, &r) != nil || checkName(r.Name) != nil {
		return nil
	}
	c, err := readCertificate(text, b.path, b.log)
	if err != nil || c.Public != e.key {
		return nil
	}
	return &Identity{Name: r.Name, UserID: r.Name, Certificate: c, Groups: r.Groups, Source: b.path, sum: boltSum(e.value)}
}

// value is what parse reads.
func value(id *Identity) ([]byte, error) {
	head, err := json.Marshal(boltRecord{Name: id.Name, Groups: id.Groups})
	if err != nil {
		return nil, err
	}
	out, err := id.Certificate.AppendPublic(append(head, '\n'))
	if err != nil {
		return nil, err
	}
	key := id.Key()
	return withSum(key[:], out), nil
}
