package keystore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// boltPatience is how long another process that has the file open is waited for.
const boltPatience = time.Second

// identities is the bucket of a bolt: store. Its keys are public keys. Its values
// are a line of JSON, a record, and then the text of the certificate.
var identities = []byte("identities")

// record is what is known of an identity beside its certificate.
type record struct {
	Groups  []string    `json:"groups,omitempty"`
	Revoked *Revocation `json:"revoked,omitempty"`
}

// bolt is a store of the kind bolt:. All of it is in memory too.
type bolt struct {
	memory
	db   *bbolt.DB
	path string
	log  *slog.Logger
}

func openBolt(path string, log *slog.Logger) (*bolt, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: boltPatience})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("keystore: %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: opening %s failed: %w", path, err)
	}
	b := &bolt{db: db, path: path, log: log}
	if err := b.load(); err != nil {
		db.Close()
		return nil, err
	}
	log.Info("keystore read", "keystore", path, "identities", b.Len())
	return b, nil
}

// entry is one key and value of the file.
type entry struct{ key, value []byte }

// load reads everything into memory.
func (b *bolt) load() error {
	return b.update(func(bucket *bbolt.Bucket) error {
		var entries []entry
		bucket.ForEach(func(key, value []byte) error {
			entries = append(entries, entry{key, value})
			return nil
		})
		b.mu.Lock()
		defer b.mu.Unlock()
		for part := range slices.Chunk(entries, loadPart) {
			for i, id := range parallel(part, b.parse) {
				if id != nil {
					b.index.fill(id)
				} else {
					b.log.Error("broken identity: its owner is not known", "keystore", b.path, "key", hex.EncodeToString(part[i].key))
				}
			}
		}
		return nil
	})
}

// loadPart is how many entries are read at a time.
const loadPart = 10_000

// parse reads an entry, and returns nil for one that is broken.
func (b *bolt) parse(e entry) *Identity {
	head, text, ok := bytes.Cut(e.value, []byte("\n"))
	var r record
	if !ok || json.Unmarshal(head, &r) != nil {
		return nil
	}
	c, err := readCertificate(text, b.path, b.log)
	if err != nil || string(c.Public[:]) != string(e.key) {
		return nil
	}
	id := newIdentity(c, c.Public.String(), b.path, r.Groups)
	id.Revoked = r.Revoked
	return id
}

// value is what parse reads.
func value(id *Identity) ([]byte, error) {
	head, err := json.Marshal(record{Groups: id.Groups, Revoked: id.Revoked})
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	out, err := id.Certificate.AppendPublic(append(head, '\n'))
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return out, nil
}

// update changes the file. When it returns nil the change is on the disk.
func (b *bolt) update(change func(*bbolt.Bucket) error) error {
	err := b.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(identities)
		if err != nil {
			return err
		}
		return change(bucket)
	})
	if err != nil {
		return fmt.Errorf("keystore: %s: %w", b.path, err)
	}
	return nil
}

func (b *bolt) Put(c *cert.Certificate, groups ...string) error {
	return b.PutAll([]*cert.Certificate{c}, groups...)
}

// PutAll writes them in one transaction: all are there in the end, or none.
func (b *bolt) PutAll(certificates []*cert.Certificate, groups ...string) error {
	type prepared struct {
		id  *Identity
		err error
	}
	all := parallel(certificates, func(c *cert.Certificate) prepared {
		id, err := prepare(c, groups)
		return prepared{id, err}
	})
	identities := make([]*Identity, len(all))
	for i, p := range all {
		if p.err != nil {
			return p.err
		}
		p.id.Source = b.path
		identities[i] = p.id
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.putLocked(identities...)
}

// putLocked writes identities to the disk, and then puts them in force.
func (b *bolt) putLocked(identities ...*Identity) error {
	err := b.update(func(bucket *bbolt.Bucket) error {
		for _, id := range identities {
			v, err := value(id)
			if err != nil {
				return err
			}
			key := id.Key()
			if err := bucket.Put(key[:], v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range identities {
		b.index.set(id.Key(), id)
	}
	return nil
}

func (b *bolt) Remove(key curve.PublicKey) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.index.get(key); !ok {
		return notFound(key)
	}
	if err := b.update(func(bucket *bbolt.Bucket) error { return bucket.Delete(key[:]) }); err != nil {
		return err
	}
	b.index.set(key, nil)
	return nil
}

func (b *bolt) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, err := b.revoked(key, at, reason)
	if err != nil {
		return err
	}
	return b.putLocked(id)
}

func (b *bolt) Close() error {
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("keystore: closing %s failed: %w", b.path, err)
	}
	return nil
}
