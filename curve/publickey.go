package curve

import (
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/internal/z85"
)

// KeySize is the size in bytes of a public, a secret and a shared key.
const KeySize = 32

// keyText is the length of a key in Z85.
const keyText = KeySize / 4 * 5

var errKeySize = errors.New("wrong key size")

// PublicKey is an X25519 public key (RFC 7748). Compare keys with ==. The text form is 40
// characters of Z85. Plain data: don't change it while it is in use.
type PublicKey [KeySize]byte

// ParsePublicKey parses the text form of a key. It returns ErrPublicKey if the text is one
// of a key that fails Check, and other errors if it is not the text of 32 bytes.
func ParsePublicKey(s string) (PublicKey, error) {
	if err := checkText(s); err != nil {
		return PublicKey{}, fmt.Errorf("curve: %w", err)
	}
	var k PublicKey
	if _, err := z85.AppendPublicDecoded(k[:0], s); err != nil {
		return PublicKey{}, fmt.Errorf("curve: %w", err)
	}
	if err := k.Check(); err != nil {
		return PublicKey{}, err
	}
	return k, nil
}

// checkText checks the length of a key's text. It never quotes the text.
func checkText[T string | []byte](s T) error {
	if len(s) != keyText {
		return fmt.Errorf("%w: %d characters, expected %d of Z85", errKeySize, len(s), keyText)
	}
	return nil
}

// String returns the key in Z85.
func (k PublicKey) String() string { return string(k.appendText()) }

// MarshalText returns the key in Z85. The error is always nil.
func (k PublicKey) MarshalText() ([]byte, error) { return k.appendText(), nil }

func (k PublicKey) appendText() []byte {
	text, _ := z85.AppendPublic(nil, k[:]) // 32 bytes always fit
	return text
}

// UnmarshalText parses the text form of a key, like ParsePublicKey.
func (k *PublicKey) UnmarshalText(text []byte) error {
	parsed, err := ParsePublicKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// lowOrder lists the canonical encodings of the points of low order on Curve25519 and its
// twist (RFC 7748, section 6.1, and the analysis it cites). All others have the top bit
// set or are not below the prime, and check refuses those first.
var lowOrder = [...]PublicKey{
	{}, // 0
	{1},
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
		0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
		0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, // p-1
}

// Check returns ErrPublicKey if no secret can be shared with the owner of the key: if it
// is all zero, or another point of low order. It also refuses encodings that key generation
// never makes (the top bit set, or 2^255-19 and more): they would be second names for other
// keys.
func (k PublicKey) Check() error {
	if err := k.check(); err != nil {
		return fmt.Errorf("curve: %w", err)
	}
	return nil
}

func (k *PublicKey) check() error {
	if !k.canonical() {
		return fmt.Errorf("%w: not in canonical form", ErrPublicKey)
	}
	for i := range lowOrder {
		if *k == lowOrder[i] {
			return fmt.Errorf("%w: low-order point", ErrPublicKey)
		}
	}
	return nil
}

// canonical reports whether k, as a little-endian number, is below the prime 2^255-19.
func (k *PublicKey) canonical() bool {
	if k[31] < 0x7f {
		return true
	}
	if k[31] > 0x7f {
		return false
	}
	for _, b := range k[1:31] {
		if b != 0xff {
			return true
		}
	}
	return k[0] < 0xed
}
