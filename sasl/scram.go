package sasl

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Package github.com/xdg-go/scram does not fit: its server accepts only TLS's channel
// bindings, it cannot add an attribute to the server's first message, and its client computes
// as many iterations as the server asks for.

// bindingName is the type of the channel binding of SCRAM-SHA-256-PLUS.
const bindingName = "curvezmq"

var (
	errStep       = fmt.Errorf("%w: unexpected SCRAM message", ErrProtocol)
	errFlag       = fmt.Errorf("%w: channel binding does not match the mechanism", ErrProtocol)
	errLogin      = fmt.Errorf("%w: user name is empty, too long, or has characters that SASLprep prohibits", ErrProtocol)
	errDowngraded = fmt.Errorf("%w: client did not see the offer of %s", ErrTampered, ScramSHA256Plus)
	errOfferHash  = fmt.Errorf("%w: client and server saw different offers", ErrTampered)
	errBinding    = fmt.Errorf("%w: proof is for another connection", ErrTampered)
	errSignature  = fmt.Errorf("%w: server does not know the password", ErrTampered)
)

// newNonce returns a nonce of 144 random bits.
func newNonce() string {
	var b [18]byte
	rand.Read(b[:])
	return encode(b[:])
}

// offerHash returns the attribute h of the server's first message, which shows a client
// whether someone changed the offer. The hash follows XEP-0474, version 0.5.0, for a server
// that does not offer channel binding types.
func offerHash(offered []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(offered)), "\x1e")))
	return encode(sum[:])
}

// xor sets a to a XOR b.
func xor(a, b *[sha256.Size]byte) {
	for i := range a {
		a[i] ^= b[i]
	}
}
