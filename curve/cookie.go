package curve

import (
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/nacl/secretbox"
)

const (
	// cookieKeyLife is how long a cookie key seals cookies, and how long after that it
	// still opens them. Nothing shortens that: however many others connect, a client has at
	// least 30 seconds for its INITIATE.
	cookieKeyLife = 30 * time.Second
	// cookieKeyUses is how many cookies a key accepts before it seals no more. After that
	// it accepts as many again of those on their way. This bounds the table of used cookies
	// to 36 MiB, or 72 MiB at the very most. A million handshakes within 30 seconds keep a
	// dozen cores busy, at a third of a millisecond for each.
	cookieKeyUses = 1 << 20
)

// cookieJar holds the keys of the server's cookies, and records which cookies have been
// used. Between WELCOME and INITIATE the server keeps C' and s' only in the cookie.
type cookieJar struct {
	mu       sync.Mutex
	current  *cookieKey // seals and opens cookies; nil until it is needed
	previous *cookieKey // opens cookies; may be nil
	closed   bool
}

// cookieKey is a key and the nonces of the cookies that it has accepted.
type cookieKey struct {
	key   secret
	until time.Time // when the current key is replaced, or the previous one dropped
	used  map[[longNonceSize]byte]struct{}
}

// openedCookie is the content of a cookie.
type openedCookie struct {
	client PublicKey     // C'
	secret [KeySize]byte // s'
	nonce  [longNonceSize]byte
	key    *cookieKey
}

// seal appends a cookie to dst: 96 bytes. It returns errClosed or errBusy.
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

// open opens a cookie of 96 bytes without using it up. It returns errCookie or errClosed.
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

// use uses up a cookie. It returns nil once for each cookie, and errCookieUsed after that. It
// returns errCookie if the key has been dropped in the meantime, and errBusy if the key has
// accepted as many cookies as it may.
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

// expire drops expired keys.
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

// close drops all keys, for good.
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
