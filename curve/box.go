package curve

import (
	"encoding/binary"

	"github.com/cloudflare/circl/dh/x25519"
	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 HSalsa20 is what NaCl's box, and so CurveZMQ, is made of
	"golang.org/x/crypto/salsa20/salsa"
)

// sharedKey is what the owners of two key pairs share and nobody else: the key
// of the boxes between them.
type sharedKey struct{ key secret }

// newSharedKey computes the key shared by the owners of public and of secret.
// public must have passed Check.
func newSharedKey(public *PublicKey, secret *[KeySize]byte) *sharedKey {
	k := newSecret()
	// Shared reports public keys of low order; Check has refused those.
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

// seal appends a box to dst. text must not overlap dst's spare capacity.
func (k *sharedKey) seal(dst, text []byte, nonce [24]byte) []byte {
	return secretbox.Seal(dst, text, &nonce, k.key.octets)
}

// open appends the text in a box to dst, whose spare capacity must not overlap
// box.
func (k *sharedKey) open(dst, box []byte, nonce [24]byte) (text []byte, ok bool) {
	return secretbox.Open(dst, box, &nonce, k.key.octets)
}

// shortNonce makes a nonce of 16 octets of prefix and a counter.
func shortNonce(prefix string, counter uint64) (nonce [24]byte) {
	copy(nonce[:], prefix)
	binary.BigEndian.PutUint64(nonce[len(prefix):], counter)
	return nonce
}

// longNonce makes a nonce of 8 octets of prefix and 16 random ones.
func longNonce(prefix string, random []byte) (nonce [24]byte) {
	copy(nonce[:], prefix)
	copy(nonce[len(prefix):], random)
	return nonce
}
