package policy

import (
	"hash/maphash"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// maxBuckets is the number of addresses that a limiter counts separately.
	maxBuckets = 64 << 10
	// sharedBuckets is the number of counters that all other addresses share.
	sharedBuckets = 4 << 10
	// maxGuesses is the number of passwords of one address that are compared, or wait to be
	// compared, at the same time.
	maxGuesses = 4
	// askerFactor is how many times more failures a service in another process may have
	// than an address, because the service chooses the addresses it reports.
	askerFactor = 10
)

// limiter counts the failures of the last minute by address, for all domains of a policy.
// It never forgets a failure that counts: when the table is full, new addresses share
// counters.
type limiter struct {
	seed   maphash.Seed
	start  time.Time // slots are numbered from here
	mu     sync.Mutex
	counts map[bucket]*count
	swept  int64   // the slot in which old counts were last deleted
	shared []count // for addresses without their own count
	hits   LimitHits
}

// bucket identifies a count: for the service that asks and an address that it reports, or
// for all its addresses.
type bucket struct {
	asker uint64 // a keyed hash of the service's name; 0 within this process
	place netip.Addr
	owner uint64 // a keyed hash of the user of an ipc socket
	all   bool
}

const (
	slotTime = 10 * time.Second
	// slots is the number of slots. The oldest is a minute old when it is reused.
	slots = int64(time.Minute/slotTime) + 1
)

// count holds the recent failures of a bucket.
type count struct {
	at      int64         // the newest slot
	slots   [slots]uint32 // failures by time
	pending int           // guesses in progress
}

func newLimiter() *limiter {
	return &limiter{seed: maphash.MakeSeed(), start: time.Now(), counts: map[bucket]*count{}}
}

// bucketOf returns the bucket of a client.
func (l *limiter) bucketOf(asker string, c client) bucket {
	b := bucket{asker: l.hash(askerName(asker)), place: c.ip, owner: l.hash(c.owner)}
	switch {
	case c.ipv4.IsValid():
		b.place = c.ipv4
	case c.ip.Is6(): // a network's customer gets at least a /64
		prefix, _ := c.ip.Prefix(64)
		b.place = prefix.Addr().WithZone(c.zone)
	}
	return b
}

func (l *limiter) hash(s string) uint64 {
	if s == "" {
		return 0
	}
	return maphash.String(l.seed, s)
}

// askerName returns the part of an asker that all connections of a service share: of
// "ADDRESS (USER)" the user id, otherwise all of it.
func askerName(asker string) string {
	if _, user, known := strings.Cut(asker, " ("); known {
		return user
	}
	return asker
}

// tooMany reports whether a bucket has as many failures as a minute allows.
func (l *limiter) tooMany(b bucket, failures int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.lookLocked(b)
	if c == nil || c.failed(l.slot(now)) < failures {
		return false
	}
	l.hits.Failures++
	return true
}

// fail counts a failure.
func (l *limiter) fail(b bucket, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.countLocked(b, now).fail(l.slot(now))
}

// guess is a comparison of a password in progress.
type guess struct {
	limiter *limiter
	counts  [2]*count // the address's, and the service's
	buckets [2]bucket
}

// begin counts a guess before it is compared. tooMany means that the bucket has too many
// failures. busy means that more guesses are in progress than may fail, or than atOnce of
// one address. If it returns neither, the caller must call end.
func (l *limiter) begin(b bucket, failures, atOnce int, now time.Time) (g guess, tooMany, busy bool) {
	g = guess{limiter: l, buckets: [2]bucket{b, {asker: b.asker, all: true}}}
	most := [2]int{failures, math.MaxInt}
	if failures < math.MaxInt/askerFactor {
		most[1] = failures * askerFactor
	}
	slot := l.slot(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, b := range g.buckets {
		if b.all && b.asker == 0 {
			break
		}
		c := l.countLocked(b, now)
		g.counts[i] = c
		failed := c.failed(slot)
		tooMany = tooMany || i == 0 && failed >= most[i]
		busy = busy || failed+c.pending >= most[i] || i == 0 && c.pending >= atOnce
	}
	switch {
	case tooMany:
		l.hits.Failures++
	case busy:
		l.hits.Logins++
	}
	for i, c := range g.counts {
		if c == nil {
			continue
		}
		if !tooMany && !busy {
			c.pending++
		}
		l.dropLocked(g.buckets[i], c, slot)
	}
	return g, tooMany, busy
}

// end removes the guess from those in progress, and counts a failure if it was wrong.
func (g *guess) end(wrong bool, now time.Time) {
	l := g.limiter
	slot := l.slot(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range g.counts {
		if c == nil {
			continue
		}
		c.pending--
		if wrong {
			c.fail(slot)
		}
		l.dropLocked(g.buckets[i], c, slot)
	}
}

func (l *limiter) slot(now time.Time) int64 {
	return int64(math.Floor(float64(now.Sub(l.start)) / float64(slotTime)))
}

// lookLocked returns the count of a bucket, or nil if there is none.
func (l *limiter) lookLocked(b bucket) *count {
	if c := l.counts[b]; c != nil {
		return c
	}
	if len(l.counts) < maxBuckets {
		return nil
	}
	return l.sharedWith(b)
}

func (l *limiter) sharedWith(b bucket) *count {
	if l.shared == nil {
		l.shared = make([]count, sharedBuckets)
	}
	return &l.shared[maphash.Comparable(l.seed, b)%sharedBuckets]
}

// countLocked returns the count of a bucket, or creates it.
func (l *limiter) countLocked(b bucket, now time.Time) *count {
	if c := l.counts[b]; c != nil {
		return c
	}
	if slot := l.slot(now); len(l.counts) >= maxBuckets && slot != l.swept {
		l.swept = slot
		for b, c := range l.counts {
			l.dropLocked(b, c, slot)
		}
	}
	if len(l.counts) >= maxBuckets {
		return l.sharedWith(b)
	}
	c := new(count)
	l.counts[b] = c
	return c
}

// dropLocked deletes a count if it is zero.
func (l *limiter) dropLocked(b bucket, c *count, slot int64) {
	if c.pending == 0 && c.failed(slot) == 0 && l.counts[b] == c {
		delete(l.counts, b)
	}
}

// failed returns the number of failures of the last 60 to 70 seconds.
func (c *count) failed(slot int64) (n int) {
	c.turn(slot)
	for _, one := range c.slots {
		n += int(one)
	}
	return n
}

func (c *count) fail(slot int64) {
	c.turn(slot)
	if one := &c.slots[index(c.at)]; *one < math.MaxUint32 {
		*one++
	}
}

// turn clears the slots that are too old. If the clock goes back, it clears none.
func (c *count) turn(slot int64) {
	if slot-c.at >= slots {
		c.slots = [slots]uint32{}
		c.at = slot
	}
	for c.at < slot {
		c.at++
		c.slots[index(c.at)] = 0
	}
}

func index(slot int64) int64 { return (slot%slots + slots) % slots }
