package curve

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// Fingerprint returns the SHA-256 of the key as text to copy and compare: "SHA256:" and
// 43 characters of base64.
func (k PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k[:])
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// FingerprintGroups returns the fingerprint to read aloud: 16 groups of five digits,
// each of them two bytes of the SHA-256 as a decimal number. To compare keys over the
// phone, ask for a few groups that you choose. A wrong key passes with a chance of one
// in 65,536 for each group.
func (k PublicKey) FingerprintGroups() (groups [16]string) {
	sum := sha256.Sum256(k[:])
	for i := range groups {
		groups[i] = fmt.Sprintf("%05d", binary.BigEndian.Uint16(sum[2*i:]))
	}
	return groups
}
