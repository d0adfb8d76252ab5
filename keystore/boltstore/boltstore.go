package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/zcurve/zcurve/keystore/internal/kv"
)

// patience is how long to wait for another process that is writing the file, or reading
// all of it, which takes seconds for a million identities.
const patience = 20 * time.Second

// fileMode is for new files: only their owner lists the clients.
const fileMode = 0o600

func init() { kv.Files = files{} }

// files opens the file for each transaction. In between, other processes can write it,
// and a killed process leaves no lock behind.
type files struct{}

func (files) Create(path string) error {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: patience})
	if err != nil {
		return err
	}
	return db.Close()
}

func (files) View(path string, f func(kv.Tx) error) error {
	return transact(path, true, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error { return f(transaction{tx}) })
	})
}

func (files) Update(path string, f func(kv.Tx) error) error {
	return transact(path, false, func(db *bbolt.DB) error {
		if err := db.Update(func(tx *bbolt.Tx) error { return f(transaction{tx}) }); err != nil {
			return err
		}
		// The file has two heads. If the newer one is damaged, bbolt uses the other: a
		// second transaction puts the change into both.
		return db.Update(func(*bbolt.Tx) error { return nil })
	})
}

// transact opens the file at path, which must exist, and runs f.
func transact(path string, readOnly bool, f func(*bbolt.DB) error) (err error) {
	if _, err := os.Stat(path); err != nil {
		return err // otherwise, bbolt would create it
	}
	// Reading a file that is being truncated faults, and bbolt panics at some kinds of
	// damage.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: %w: %v", path, kv.ErrDamaged, p)
		}
	}()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: patience, ReadOnly: readOnly})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("%s: %w", path, kv.ErrInUse)
	}
	if err != nil {
		return fmt.Errorf("opening %s failed: %w", path, err)
	}
	defer db.Close()
	if err = checkHeads(path, db.Info().PageSize); err == nil {
		err = f(db)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// checkHeads refuses a file with only one valid head. bbolt would use that head, which
// may be older than the last change, and the last change may be a revocation.
func checkHeads(path string, pageSize int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const pageHead, metaSize = 16, 64 // bytes: the start of a page, and the fields that the checksum covers
	var changes [2]uint64
	for i := range changes {
		var meta [metaSize]byte
		if _, err := f.ReadAt(meta[:], int64(i*pageSize)+pageHead); err != nil {
			return kv.ErrDamaged
		}
		h := fnv.New64a()
		h.Write(meta[:metaSize-8])
		if h.Sum64() != binary.NativeEndian.Uint64(meta[metaSize-8:]) {
			return kv.ErrDamaged
		}
		changes[i] = binary.NativeEndian.Uint64(meta[metaSize-16:])
	}
	if changes[0]+1 != changes[1] && changes[1]+1 != changes[0] {
		return kv.ErrDamaged
	}
	return nil
}

// transaction is a kv.Tx.
type transaction struct{ tx *bbolt.Tx }

func (t transaction) Changes() int {
	if t.tx.Writable() { // its id is the id of the change it makes
		return t.tx.ID() - 1
	}
	return t.tx.ID()
}

func (t transaction) Get(bucket string, key []byte) []byte {
	if b := t.tx.Bucket([]byte(bucket)); b != nil {
		return b.Get(key)
	}
	return nil
}

func (t transaction) ForEach(bucket string, f func(key, value []byte) error) error {
	if b := t.tx.Bucket([]byte(bucket)); b != nil {
		return b.ForEach(f)
	}
	return nil
}

func (t transaction) Put(bucket string, key, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func (t transaction) Delete(bucket string, key []byte) error {
	if b := t.tx.Bucket([]byte(bucket)); b != nil {
		return b.Delete(key)
	}
	return nil
}
