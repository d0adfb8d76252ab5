package keystore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore/internal/kv"
)

// boltEntry is a key and its value in the file.
type boltEntry struct {
	key   curve.PublicKey
	value []byte
}

// loadPart is how many entries are read at a time.
const loadPart = 10_000

// load brings memory up to date with the file. It parses only values that differ from
// those it read last.
func (b *bolt) load(tx kv.Tx) error {
	version := tx.Get(sumsBucket, versionKey)
	if version == nil && tx.Changes() > 1 { // every change writes it, so whole buckets are missing
		return kv.ErrDamaged
	}
	if b.version != nil && bytes.Equal(version, b.version) && !b.unsure {
		return nil
	}
	if err := b.loadRevocations(tx); err != nil {
		return err
	}
	isFirst := b.version == nil
	there := map[curve.PublicKey]bool{}
	var part []boltEntry
	err := tx.ForEach(identitiesBucket, func(k, v []byte) error {
		if len(k) != curve.KeySize {
			// Don't log its bytes: bbolt trusts the lengths in a page, so the key may be
			// other memory of this process.
			b.log.Error("invalid entry: its key isn't a public key; ignoring it", "file", b.path, "bytes", len(k))
			return nil
		}
		key := curve.PublicKey(k)
		if !isFirst {
			there[key] = true
			if id, ok := b.identities.get(key); ok && id.sum == sumOf(v) {
				return nil
			}
		}
		if part = append(part, boltEntry{key, bytes.Clone(v)}); len(part) == loadPart {
			b.take(part, isFirst)
			part = nil
		}
		return nil
	})
	if err != nil {
		return err
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

// take parses entries and applies them.
func (b *bolt) take(part []boltEntry, isFirst bool) {
	var valid []*Identity
	for i, id := range parallel(part, b.parse) {
		key, sum := part[i].key, sumOf(part[i].value)
		if id == nil {
			if b.invalid[key] != sum {
				b.log.Error("invalid entry: ignoring it", "file", b.path, "fingerprint", key.Fingerprint())
			}
			b.invalid[key] = sum
			b.set(key, nil)
			continue
		}
		delete(b.invalid, key)
		if valid = append(valid, id); !isFirst {
			b.set(key, id)
		}
	}
	if isFirst {
		b.fill(valid)
	}
}

func (b *bolt) set(key curve.PublicKey, id *Identity) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setLocked(key, id)
}

// loadRevocations reads the revocations. A damaged one still refuses its key. It returns
// an error if one is missing.
func (b *bolt) loadRevocations(tx kv.Tx) error {
	found := map[curve.PublicKey]*RevokedKey{}
	err := tx.ForEach(revocationsBucket, func(k, v []byte) error {
		if len(k) != curve.KeySize {
			return kv.ErrDamaged
		}
		key := curve.PublicKey(k)
		r := new(RevokedKey)
		if text, ok := unsum(k, v); !ok || decodeStrictly(text, r) != nil {
			b.log.Error("invalid revocation record: refusing the key", "file", b.path, "fingerprint", key.Fingerprint())
			r = new(RevokedKey)
		}
		found[key] = r
		return nil
	})
	if err != nil {
		return err
	}
	stored := tx.Get(sumsBucket, revocationsSum)
	if !bytes.Equal(stored, sumOfKeys(found)) && (len(found) > 0 || stored != nil) {
		return fmt.Errorf("the revocations are %w", kv.ErrDamaged)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.updateRevocationsLocked(found, b.path)
	return nil
}

// updateRevocationsLocked applies the revocations that were found in a file. Keys whose
// revocations are missing stay refused.
func (m *memory) updateRevocationsLocked(found map[curve.PublicKey]*RevokedKey, file string) {
	for key, r := range found {
		if old, ok := m.revocations.get(key); !ok || !old.equal(r) {
			m.revokeLocked(key, r)
		}
	}
	for key, r := range m.revocations.all() {
		if found[key] == nil && r.InForce() {
			m.log.Error(msgRecordGone, "key", key, "file", file)
		}
	}
}

// msgRecordGone is logged for a record that something other than Unrevoke removed.
const msgRecordGone = "revocation record removed: still refusing the key; to lift the revocation, use zcert store unrevoke"

// sumOfKeys returns the value of revocationsSum.
func sumOfKeys(revoked map[curve.PublicKey]*RevokedKey) []byte {
	sum := make([]byte, 8+sha256.Size)
	for key := range revoked {
		addToSum(sum, key)
	}
	return sum
}

// addToSum adds a key to a value of revocationsSum.
func addToSum(sum []byte, key curve.PublicKey) {
	binary.BigEndian.PutUint64(sum, binary.BigEndian.Uint64(sum)+1)
	for i, b := range sha256.Sum256(key[:]) {
		sum[8+i] ^= b
	}
}

// keyedSum returns the hash of a key and its value.
func keyedSum(key, value []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(key)
	h.Write(value)
	h.Sum(sum[:0])
	return sum
}

// withSum puts the hash of a key and its value in front of the value.
func withSum(key, value []byte) []byte {
	sum := keyedSum(key, value)
	return append(sum[:], value...)
}

// unsum undoes withSum, and reports whether the value is undamaged.
func unsum(key, value []byte) (text []byte, ok bool) {
	if len(value) < sha256.Size {
		return nil, false
	}
	text = value[sha256.Size:]
	return text, keyedSum(key, text) == [sha256.Size]byte(value)
}

// decodeStrictly decodes one JSON value without unknown fields.
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

// parse parses an entry. It returns nil if the entry is invalid.
func (b *bolt) parse(e boltEntry) *Identity {
	text, ok := unsum(e.key[:], e.value)
	if !ok {
		return nil
	}
	head, text, ok := bytes.Cut(text, []byte("\n"))
	var h boltHead
	if !ok || decodeStrictly(head, &h) != nil || checkName(h.Name) != nil {
		return nil
	}
	c, err := readCertificate(text, b.path, b.log)
	if err != nil || c.Public != e.key {
		return nil
	}
	return &Identity{Name: h.Name, UserID: h.Name, Certificate: c, Groups: h.Groups, Place: b.path, sum: sumOf(e.value)}
}

// boltValue returns the value that parse reads.
func boltValue(id *Identity) ([]byte, error) {
	head, err := json.Marshal(boltHead{Name: id.Name, Groups: id.Groups})
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
