package keystore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// boltPatience is how long another process is waited for that writes the file, or reads
// all of it, which takes seconds for a million identities; boltBusy is for how long the
// file isn't read while others write it one after another.
const (
	boltPatience = 20 * time.Second
	boltBusy     = time.Second
)

// Buckets of a bolt: store. The keys of the first two are public keys.
var (
	identitiesBucket  = []byte("identities")
	revocationsBucket = []byte("revocations")
	sumsBucket        = []byte("sums")
)

// revocationsSum is the key of sumsBucket under which the count of the revocations and
// the exclusive or of the hashes of their keys are: if one is lost, it is noticed.
var revocationsSum = []byte("revocations")

// versionKey is the key of sumsBucket with a number that no two states of a store
// have in common.
var versionKey = []byte("version")

// ErrDamaged means that the file of a store was changed by something else than
// package keystore.
var ErrDamaged = errors.New("damaged: restore a backup")

// bolt is a store of the kind bolt:. All of it is in memory too. The file is open
// only while it is read or written: others can write it meanwhile, and a process that
// is killed leaves no lock behind.
type bolt struct {
	memory
	path     string
	follower follow.Follower

	work    sync.Mutex // held to read and write the file; taken before memory.mu
	stamp   follow.Stamp
	version []byte                  // of what is in memory; nil before the first reading
	unsure  bool                    // all is to be read, also if the version is the same
	broken  map[curve.PublicKey]sum // those that are broken, as reported
}

// sum tells whether an identity has changed in the file.
type sum [16]byte

// boltSum is that of a value.
func boltSum(value []byte) sum {
	s := sha256.Sum256(value)
	return sum(s[:len(sum{})])
}

// boltRecord is what is known of an identity beside its certificate.
type boltRecord struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"`
}

func openBolt(path string, log *slog.Logger) (*bolt, error) {
	b := &bolt{path: path, memory: memory{log: log}, follower: follow.Follower{Name: path, Log: log}, broken: map[curve.PublicKey]sum{}}
	if err := b.refresh(); err != nil {
		return nil, err
	}
	log.Info("keystore read", "keystore", path, "identities", b.Len())
	return b, nil
}

// createBolt makes an empty file.
func createBolt(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: boltPatience})
	if err != nil {
		return err
	}
	return db.Close()
}

// transaction runs f on the file, which must exist.
func (b *bolt) transaction(write bool, f func(tx *bbolt.Tx) error) (err error) {
	if _, err := os.Stat(b.path); err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	// A file that is cut short while it is read faults, and bbolt panics at some kinds
	// of damage.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("keystore: %s: %w: %v", b.path, ErrDamaged, p)
		}
	}()
	db, err := bbolt.Open(b.path, 0o600, &bbolt.Options{Timeout: boltPatience, ReadOnly: !write})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("keystore: %s: %w: try again later", b.path, ErrInUse)
	}
	if err != nil {
		return fmt.Errorf("keystore: opening %s failed: %w", b.path, err)
	}
	defer db.Close()
	if err := checkMetas(b.path, db.Info().PageSize); err != nil {
		return fmt.Errorf("keystore: %s: %w", b.path, err)
	}
	if write {
		if err = db.Update(f); err == nil {
			// The file has two heads, and if the newer one is damaged the other counts: now
			// both have what was written.
			err = db.Update(func(*bbolt.Tx) error { return nil })
		}
	} else {
		err = db.View(f)
	}
	if err != nil {
		return fmt.Errorf("keystore: %s: %w", b.path, err)
	}
	return nil
}

// refresh reads what has changed in the file.
func (b *bolt) refresh() error {
	stamp := follow.Look(b.path)
	if err := b.transaction(false, b.load); err != nil {
		return err
	}
	// A copy that is under way takes no lock: then all of it is read once more.
	b.stamp, b.unsure = stamp, follow.IsBusy(b.path)
	return nil
}

// checkMetas refuses a file with one good head of two. bbolt goes on with that one,
// which may be of the state before the last change, and a revocation may be that.
func checkMetas(path string, pageSize int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const headSize, metaSize = 16, 64 // of a page, and of what is in it with its sum
	var changes [2]uint64
	for i := range changes {
		var meta [metaSize]byte
		if _, err := f.ReadAt(meta[:], int64(i*pageSize)+headSize); err != nil {
			return ErrDamaged
		}
		h := fnv.New64a()
		h.Write(meta[:metaSize-8])
		if h.Sum64() != binary.NativeEndian.Uint64(meta[metaSize-8:]) {
			return ErrDamaged
		}
		changes[i] = binary.NativeEndian.Uint64(meta[metaSize-16:])
	}
	if changes[0]+1 != changes[1] && changes[1]+1 != changes[0] {
		return ErrDamaged
	}
	return nil
}

// Reload reads the file again, also if there is another in its place.
func (b *bolt) Reload() error {
	b.work.Lock()
	defer b.work.Unlock()
	b.unsure = true // all of it, whatever it says of itself
	if err := b.refresh(); err != nil {
		return err
	}
	b.log.Info("keystore read again", "keystore", b.path, "identities", b.Len())
	return nil
}

// Watch follows the file until ctx is done. What can't be read leaves in force what
// was known.
func (b *bolt) Watch(ctx context.Context) error {
	var out outage
	var busy time.Time // since when it is being written
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
			if time.Since(busy) < boltBusy { // if it takes longer it is read between two writers
				return next
			}
		}
		err := b.refresh()
		gone, again := out.note(b.log, b.path, err)
		if gone {
			b.forget()
			b.version = []byte("gone") // not that of a file
		}
		next.After = max(next.After, again)
		return next
	})
	return nil
}

func (b *bolt) Close() error { return nil }
