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

// shards is the number of maps in an index. A change copies one of them. With this many,
// that costs little even with a million identities.
const shards = 4096

// index finds values by key. Readers take no lock. Writers hold a lock of the caller.
type index[V any] struct {
	shards [shards]atomic.Pointer[shard[V]]
	count  atomic.Int64
}

// A shard is replaced, never changed.
type shard[V any] map[curve.PublicKey]*V

// of returns the shard of a key.
func (x *index[V]) of(key curve.PublicKey) *atomic.Pointer[shard[V]] {
	return &x.shards[binary.LittleEndian.Uint16(key[:])%shards]
}

func (x *index[V]) get(key curve.PublicKey) (v *V, ok bool) {
	if s := x.of(key).Load(); s != nil {
		v, ok = (*s)[key]
	}
	return v, ok
}

func (x *index[V]) len() int { return int(x.count.Load()) }

// all yields the values of each shard as they are when it reaches the shard.
func (x *index[V]) all() iter.Seq2[curve.PublicKey, *V] {
	return func(yield func(curve.PublicKey, *V) bool) {
		for i := range x.shards {
			s := x.shards[i].Load()
			if s == nil {
				continue
			}
			for key, v := range *s {
				if !yield(key, v) {
					return
				}
			}
		}
	}
}

// set sets the value of a key, or removes it if value is nil.
func (x *index[V]) set(key curve.PublicKey, v *V) {
	place := x.of(key)
	s := shard[V]{}
	if old := place.Load(); old != nil {
		s = maps.Clone(*old)
	}
	before := len(s)
	if v != nil {
		s[key] = v
	} else {
		delete(s, key)
	}
	x.count.Add(int64(len(s) - before))
	place.Store(&s)
}

// fill is like set, but changes shards in place, in an index that is not in use yet.
func (x *index[V]) fill(key curve.PublicKey, v *V) {
	place := x.of(key)
	s := place.Load()
	if s == nil {
		s = &shard[V]{}
		place.Store(s)
	}
	before := len(*s)
	(*s)[key] = v
	x.count.Add(int64(len(*s) - before))
}

// parallel applies f to all items, on all CPUs, and returns the results in the order
// of the items.
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
