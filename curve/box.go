package curve

import (
	"encoding/binary"

	"github.com/cloudflare/circl/dh/x25519"
	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 HSalsa20 is what NaCl's box, and so CurveZMQ, is made of
	"golang.org/x/crypto/salsa20/salsa"
)

// sharedKey is the key of the boxes between the owners of two key pairs. Nobody else knows
// it.
type sharedKey struct{ key secret }

// newSharedKey computes the key that the owners of public and of secret share. public must
// have passed Check.
func newSharedKey(public *PublicKey, secret *[KeySize]byte) *sharedKey {
	k := newSecret()
	// Shared returns false for public keys of low order, which Check has refused.
	x25519.Shared((*x25519.Key)(k.octets), (*x25519.Key)(secret), (*x25519.Key)(public))
	salsa.HSalsa20(k.octets, new([16]byte), k.octets, &salsa.Sigma)
	return &sharedKey{k}
}

// wipe overwrites the key; k may be nil.
func (k *sharedKey) wipe() {
	if k != nil {
		k.key.wipe()
	}
}

// seal appends the box of text to dst. text must not overlap dst's spare capacity.
func (k *sharedKey) seal(dst, text []byte, nonce [24]byte) []byte {
	return secretbox.Seal(dst, text, &nonce, k.key.octets)
}

// open appends the text in box to dst, whose spare capacity must not overlap box.
func (k *sharedKey) open(dst, box []byte, nonce [24]byte) (text []byte, ok bool) {
	return secretbox.Open(dst, box, &nonce, k.key.octets)
}

// shortNonce returns the nonce of a prefix of 16 bytes and a counter.
func shortNonce(prefix string, counter uint64) (nonce [24]byte) {
	copy(nonce[:], prefix)
	binary.BigEndian.PutUint64(nonce[len(prefix):], counter)
	return nonce
}

// longNonce returns the nonce of a prefix of 8 bytes and 16 random ones.
func longNonce(prefix string, random []byte) (nonce [24]byte) {
	copy(nonce[:], prefix)
	copy(nonce[len(prefix):], random)
	return nonce
}
