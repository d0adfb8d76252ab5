package cert

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/curve"
)

// ErrFingerprint means that a text is no fingerprint.
var ErrFingerprint = errors.New("not a fingerprint")

// fingerprintPrefix says what a fingerprint is.
const fingerprintPrefix = "SHA256:"

// Fingerprint is the SHA-256 of the 32 octets of a public key: what two people
// compare to know that they have the same one.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of a key.
func FingerprintOf(k curve.PublicKey) Fingerprint { return sha256.Sum256(k[:]) }

// Fingerprint returns the fingerprint of an authority's key.
func (k AuthorityKey) Fingerprint() Fingerprint { return sha256.Sum256(k[:]) }

// String returns the form to copy: "SHA256:" and 43 characters of base64.
func (f Fingerprint) String() string { return fingerprintPrefix + encoding.EncodeToString(f[:]) }

// ParseFingerprint reads what String writes. The error is ErrFingerprint.
func ParseFingerprint(s string) (f Fingerprint, err error) {
	text, ok := strings.CutPrefix(s, fingerprintPrefix)
	if !ok || !decode(f[:], text) {
		return Fingerprint{}, fmt.Errorf("cert: %w: want %s and 43 characters of base64", ErrFingerprint, fingerprintPrefix)
	}
	return f, nil
}

// Groups returns the form to read aloud: 16 groups of five digits, each of which
// is two octets of the fingerprint as a number. One asks for a few of them, by
// number and of one's own choice: each that is right leaves one chance in 65,536
// that the key is another's.
func (f Fingerprint) Groups() (groups [16]string) {
	for i := range groups {
		groups[i] = fmt.Sprintf("%05d", binary.BigEndian.Uint16(f[2*i:]))
	}
	return groups
}
