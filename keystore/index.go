package keystore

import (
	"encoding/binary"
	"iter"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/zcurve/zcurve/curve"
)

// shards is how many maps an index has: so many that a change, which copies one
// of them, costs little even with a million identities.
const shards = 4096

// index finds identities by their keys. Readers take no lock. Whoever writes
// holds one that is not in here.
type index struct {
	shards [shards]atomic.Pointer[shard]
	count  atomic.Int64
}

// shard is never changed, only exchanged.
type shard map[curve.PublicKey]*Identity

// of returns where the identity with this key is, if it is there.
func (x *index) of(key curve.PublicKey) *atomic.Pointer[shard] {
	return &x.shards[binary.LittleEndian.Uint16(key[:])%shards]
}

func (x *index) get(key curve.PublicKey) (id *Identity, ok bool) {
	if s := x.of(key).Load(); s != nil {
		id, ok = (*s)[key]
	}
	return id, ok
}

func (x *index) len() int { return int(x.count.Load()) }

// all yields the identities that are there when it comes to their shard.
func (x *index) all() iter.Seq[*Identity] {
	return func(yield func(*Identity) bool) {
		for i := range x.shards {
			s := x.shards[i].Load()
			if s == nil {
				continue
			}
			for _, id := range *s {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// set puts an identity in force for a key, or none.
func (x *index) set(key curve.PublicKey, id *Identity) {
	place := x.of(key)
	s := shard{}
	if old := place.Load(); old != nil {
		s = maps.Clone(*old)
	}
	before := len(s)
	if id != nil {
		s[key] = id
	} else {
		delete(s, key)
	}
	x.count.Add(int64(len(s) - before))
	place.Store(&s)
}

// fill adds many identities to an index that nobody reads yet.
func (x *index) fill(id *Identity) {
	key := id.Key()
	place := x.of(key)
	s := place.Load()
	if s == nil {
		s = &shard{}
		place.Store(s)
	}
	before := len(*s)
	(*s)[key] = id
	x.count.Add(int64(len(*s) - before))
}

// parallel applies f to all items, several at a time, and returns the results in
// their order.
func parallel[T, R any](items []T, f func(T) R) []R {
	results := make([]R, len(items))
	var work sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(items))
	for w := range workers {
		work.Go(func() {
			for i := w; i < len(items); i += workers {
				results[i] = f(items[i])
			}
		})
	}
	work.Wait()
	return results
}
