package curve

import (
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/nacl/secretbox"
)

const (
	// cookieKeyLife is for how long a cookie key makes cookies, and for how
	// long after that it still opens them. Nothing shortens that: however many
	// others connect meanwhile, a client has 30 s at least for its INITIATE.
	cookieKeyLife = 30 * time.Second
	// cookieKeyUses is after how many accepted cookies a key makes no more, and how
	// many more it then accepts, of those that are on their way. It bounds the table
	// of cookies that can't be used again: 36 MiB, 72 at the very most. To come to it within 30 s
	// takes the whole time of a dozen cores, at a third of a millisecond for a
	// handshake.
	cookieKeyUses = 1 << 20
)

// cookieJar holds the keys of the server's cookies, and which cookies have been
// used. A cookie is the server's only memory of a client between WELCOME and
// INITIATE: it holds C' and s'.
type cookieJar struct {
	mu       sync.Mutex
	current  *cookieKey // makes and opens cookies; nil until one is needed
	previous *cookieKey // opens cookies; may be nil
	closed   bool
}

// cookieKey is one key with the nonces of the cookies that it has accepted.
type cookieKey struct {
	key   secret
	until time.Time // replace the current key then, drop the previous one
	used  map[[longNonceSize]byte]struct{}
}

// openedCookie is what a cookie holds.
type openedCookie struct {
	client PublicKey     // C'
	secret [KeySize]byte // s'
	nonce  [longNonceSize]byte
	key    *cookieKey
}

// seal appends a cookie to dst: 96 octets. It returns errClosed or errBusy.
func (j *cookieJar) seal(dst []byte, now time.Time, random io.Reader, client *PublicKey, secret *[KeySize]byte) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return dst, errClosed
	}
	j.expireLocked(now)
	if j.current == nil {
		j.current = &cookieKey{
			key:   newSecret(),
			until: now.Add(cookieKeyLife),
			used:  make(map[[longNonceSize]byte]struct{}),
		}
		mustRead(random, j.current.key.octets[:])
	}
	if len(j.current.used) >= cookieKeyUses {
		return dst, errBusy
	}
	var random16 [longNonceSize]byte
	mustRead(random, random16[:])
	var text [cookieText]byte
	defer clear(text[:])
	copy(text[:], client[:])
	copy(text[KeySize:], secret[:])
	nonce := longNonce(cookiePrefix, random16[:])
	return secretbox.Seal(append(dst, random16[:]...), text[:], &nonce, j.current.key.octets), nil
}

// open opens a cookie of 96 octets, which stays unused. It returns errCookie or
// errClosed.
func (j *cookieJar) open(cookie []byte, now time.Time) (*openedCookie, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, errClosed
	}
	j.expireLocked(now)
	c := &openedCookie{nonce: [longNonceSize]byte(cut(&cookie, longNonceSize))}
	nonce := longNonce(cookiePrefix, c.nonce[:])
	var buf [cookieText]byte
	defer clear(buf[:])
	for _, c.key = range []*cookieKey{j.current, j.previous} {
		if c.key == nil {
			continue
		}
		if text, ok := secretbox.Open(buf[:0], cookie, &nonce, c.key.key.octets); ok {
			copy(c.client[:], text)
			copy(c.secret[:], text[KeySize:])
			return c, nil
		}
	}
	return nil, errCookie
}

// use uses a cookie up. It returns nil only once for each, and otherwise
// errCookieUsed, errCookie if the key has been dropped in the meantime, or errBusy if
// it has accepted as many cookies as it may.
func (j *cookieJar) use(c *openedCookie) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.key != j.current && c.key != j.previous {
		return errCookie
	}
	if _, used := c.key.used[c.nonce]; used {
		return errCookieUsed
	}
	if len(c.key.used) >= 2*cookieKeyUses {
		return errBusy
	}
	c.key.used[c.nonce] = struct{}{}
	return nil
}

// expire drops the keys whose time is over.
func (j *cookieJar) expire(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.expireLocked(now)
}

func (j *cookieJar) expireLocked(now time.Time) {
	if k := j.current; k != nil && !now.Before(k.until) {
		k.until = k.until.Add(cookieKeyLife)
		j.previous.wipe()
		j.previous, j.current = k, nil
	}
	if k := j.previous; k != nil && !now.Before(k.until) {
		k.wipe()
		j.previous = nil
	}
}

// close drops all keys for good.
func (j *cookieJar) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.current.wipe()
	j.previous.wipe()
	j.current, j.previous, j.closed = nil, nil, true
}

// wipe overwrites the key; k may be nil.
func (k *cookieKey) wipe() {
	if k != nil {
		k.key.wipe()
	}
}
