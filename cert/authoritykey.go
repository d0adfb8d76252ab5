package cert

import (
	"crypto/ed25519"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
)

// authorityPrefix tells an authority's key from any other.
const authorityPrefix = "ed25519:"

// AuthorityKey is the Ed25519 public key of an authority (RFC 8032), of 32 bytes. The
// zero value means none.
type AuthorityKey [ed25519.PublicKeySize]byte

// ParseAuthorityKey reads what String returns. A key for which anyone can sign is an
// error.
func ParseAuthorityKey(s string) (AuthorityKey, error) {
	k, err := parseAuthorityKey(s)
	return k, named(err)
}

func parseAuthorityKey(s string) (k AuthorityKey, err error) {
	text, ok := strings.CutPrefix(s, authorityPrefix)
	if !ok || !form.Decode(k[:], text) || k == (AuthorityKey{}) {
		return AuthorityKey{}, fmt.Errorf("%w: %d characters, expected %s and 43 characters of base64", errAuthorityKey, len(s), authorityPrefix)
	}
	if k.isWeak() {
		return AuthorityKey{}, fmt.Errorf("%w: %s: anyone can sign for it", errAuthorityKey, s)
	}
	return k, nil
}

// Check returns an error for a key for which anyone can sign: zero, of small order, not in
// the form of generated keys, or with a secret key that is public. Call it before you
// trust an authority.
func (k AuthorityKey) Check() error { return named(k.check()) }

func (k AuthorityKey) check() error {
	if k.isWeak() {
		return fmt.Errorf("%w: %s: anyone can sign for it", errAuthorityKey, k)
	}
	return checkPublished(k)
}

// weakOrdinates are the y of the eight points of small order: 0, 1, -1, and two of points
// of order 8. A signature under such a key is valid for many texts.
var weakOrdinates = [...][ed25519.PublicKeySize]byte{
	{},
	{1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}

// isWeak reports whether a key is of small order, or a second encoding of a key: with y of
// at least 2^255-19.
func (k AuthorityKey) isWeak() bool {
	k[31] &= 0x7f // the sign of x
	for _, y := range weakOrdinates {
		if k == y {
			return true
		}
	}
	above := k[0] >= 0xed && k[31] == 0x7f
	for _, b := range k[1:31] {
		above = above && b == 0xff
	}
	return above
}

// Fingerprint returns the SHA-256 of the key, as [curve.PublicKey.Fingerprint] does.
func (k AuthorityKey) Fingerprint() string { return curve.PublicKey(k).Fingerprint() }

// String returns "ed25519:" and 43 characters of base64.
func (k AuthorityKey) String() string { return authorityPrefix + form.Encoding.EncodeToString(k[:]) }

// MarshalText returns String. The error is always nil.
func (k AuthorityKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what String returns, as ParseAuthorityKey does.
func (k *AuthorityKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParseAuthorityKey(string(text))
	return err
}

// verify reports whether a signature of a text is valid.
func (k AuthorityKey) verify(text []byte, s signatureBytes) bool {
	return !k.isWeak() && ed25519.Verify(k[:], text, s[:])
}

// signatureBytes is an Ed25519 signature (RFC 8032). The zero value means none.
type signatureBytes [ed25519.SignatureSize]byte

func (s signatureBytes) isZero() bool { return s == signatureBytes{} }
