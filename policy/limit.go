package policy

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxAddresses is how many addresses a limiter keeps account of.
const maxAddresses = 64 << 10

// limiter refuses addresses that have failed too often.
type limiter struct {
	perMinute int
	mu        sync.Mutex
	addresses map[string]*rate.Limiter
	swept     time.Time // when idle addresses were looked for
}

func newLimiter(perMinute int) *limiter {
	return &limiter{perMinute: perMinute, addresses: map[string]*rate.Limiter{}}
}

// allows reports whether an address may try.
func (l *limiter) allows(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.addresses[address]
	return a == nil || a.TokensAt(now) >= 1
}

// fail notes that an address failed.
func (l *limiter) fail(address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.addresses[address]
	if a == nil {
		l.makeRoomLocked(now)
		a = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute)
		l.addresses[address] = a
	}
	a.AllowN(now, 1)
}

// sweepEvery is how often idle addresses are looked for.
const sweepEvery = time.Second

// makeRoomLocked forgets addresses that have not failed for a while, and if that
// isn't enough any one.
func (l *limiter) makeRoomLocked(now time.Time) {
	if len(l.addresses) < maxAddresses {
		return
	}
	for address, a := range l.addresses {
		if now.Sub(l.swept) < sweepEvery {
			break
		}
		if a.TokensAt(now) >= float64(l.perMinute) {
			delete(l.addresses, address)
		}
	}
	if now.Sub(l.swept) >= sweepEvery {
		l.swept = now
	}
	for address := range l.addresses {
		if len(l.addresses) < maxAddresses {
			return
		}
		delete(l.addresses, address)
	}
}
