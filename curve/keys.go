package curve

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"filippo.io/edwards25519"

	"github.com/zcurve/zcurve/internal/z85"
)

// KeySize is the size in octets of a public, a secret and a shared key.
const KeySize = 32

// keyText is the length of a key in Z85.
const keyText = KeySize / 4 * 5

var (
	// ErrPublicKey means that 32 octets are no usable public key: all zero, of
	// low order (the shared key would be known to anybody), or not in the one
	// form that key generation gives.
	ErrPublicKey = errors.New("curve: not a usable public key")
	// ErrKeySize means that a key is not 32 octets, or not 40 characters.
	ErrKeySize = errors.New("curve: wrong key size")
	// ErrSecretKey means that 32 octets are no usable secret key: all zero, as
	// memory is that nobody has filled, or that has been wiped. Everybody knows
	// its public key.
	ErrSecretKey = errors.New("curve: not a usable secret key")
	// errNoSecretKey means that a secret key is needed, and this one is zero or wiped.
	errNoSecretKey = errors.New("curve: no secret key")
)

// PublicKey is an X25519 public key. Two are equal if they are ==. Its text
// form is 40 characters of Z85.
type PublicKey [KeySize]byte

// ParsePublicKey reads the 40 characters of Z85 that String gives. It returns
// ErrKeySize, a *Z85Error or ErrPublicKey.
func ParsePublicKey(s string) (PublicKey, error) {
	if err := checkText(s); err != nil {
		return PublicKey{}, err
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

// checkText checks the size of a text that is to be a key. It never quotes it.
func checkText[T string | []byte](s T) error {
	if len(s) != keyText {
		return fmt.Errorf("%w: %d characters, expected %d of Z85", ErrKeySize, len(s), keyText)
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

// UnmarshalText does what ParsePublicKey does.
func (k *PublicKey) UnmarshalText(text []byte) error {
	parsed, err := ParsePublicKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// lowOrder lists the canonical encodings of the points of low order on
// Curve25519 and its twist (RFC 7748, section 6.1, and the analysis it cites).
// All others have 2^255 added or are not below the prime, and Check refuses
// those first.
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

// Check returns ErrPublicKey for a key with which no secret can be shared: the
// all-zero key and every other of low order. It also refuses the encodings
// that key generation never gives (the top bit set, or 2^255-19 and more): they
// are second names for other keys, and one key must have one name.
func (k PublicKey) Check() error {
	if !k.canonical() {
		return fmt.Errorf("%w: not in canonical form", ErrPublicKey)
	}
	for i := range lowOrder {
		if k == lowOrder[i] {
			return fmt.Errorf("%w: low order", ErrPublicKey)
		}
	}
	return nil
}

// canonical reports whether k, read as a little-endian number, is below the
// prime 2^255-19.
func (k PublicKey) canonical() bool {
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

// secret is 32 octets that must not print, not even as an unexported field of
// something else, where fmt can't call methods. fmt shows a pointer in there as
// an address; but for a verb that doesn't fit (%s) it follows one. So whoever
// has a secret has it behind another pointer.
type secret struct{ octets *[KeySize]byte }

func newSecret() secret { return secret{new([KeySize]byte)} }

// wipe overwrites the octets.
func (s secret) wipe() { clear(s.octets[:]) }

// SecretKey is an X25519 secret key. The zero value is no key. It prints as
// "[secret]" under every verb, in JSON and in slog, and as an address where it
// is an unexported field of something else. Copies share the key: Wipe wipes
// it for all of them. == doesn't compile.
type SecretKey struct {
	_   [0]func() // == would compare addresses
	key *secretKey
}

// secretKey is what all copies of a SecretKey share.
type secretKey struct {
	secret
	public atomic.Pointer[PublicKey] // nil until somebody has asked for it
}

// makeSecretKey makes a key of zeros, to be filled.
func makeSecretKey() SecretKey { return SecretKey{key: &secretKey{secret: newSecret()}} }

// ParseSecretKey reads the 40 characters of Z85 that AppendZ85 writes, of which it leaves no
// copy. Text in a []byte can be wiped afterwards. It returns ErrKeySize, a *Z85Error
// or ErrSecretKey.
func ParseSecretKey[T string | []byte](s T) (SecretKey, error) {
	if err := checkText(s); err != nil {
		return SecretKey{}, err
	}
	k := makeSecretKey()
	if _, err := z85.AppendDecoded(k.key.octets[:0], s); err != nil {
		return SecretKey{}, fmt.Errorf("curve: %w", err)
	}
	return k.checked()
}

// NewSecretKey makes a secret key of 32 octets, which it copies. It returns
// ErrKeySize or ErrSecretKey.
func NewSecretKey(octets []byte) (SecretKey, error) {
	if len(octets) != KeySize {
		return SecretKey{}, fmt.Errorf("%w: %d octets, expected %d", ErrKeySize, len(octets), KeySize)
	}
	k := makeSecretKey()
	copy(k.key.octets[:], octets)
	return k.checked()
}

// checked returns ErrSecretKey for a key of zeros.
func (s SecretKey) checked() (SecretKey, error) {
	if s.IsZero() {
		return SecretKey{}, fmt.Errorf("%w: all zero", ErrSecretKey)
	}
	return s, nil
}

// IsZero reports whether there is no key, or it has been wiped.
func (s SecretKey) IsZero() bool { return s.key == nil || isZero(s.key.octets[:]) }

// Public returns the public key, which it computes the first time. It returns
// the zero PublicKey if there is no secret key.
func (s SecretKey) Public() PublicKey {
	if s.IsZero() {
		return PublicKey{}
	}
	if known := s.key.public.Load(); known != nil {
		return *known
	}
	public := basepointMult(s.key.octets)
	s.key.public.Store(&public)
	return public
}

// AppendBytes appends the 32 octets of the secret to dst, and nothing if there is
// none. The caller wipes them.
func (s SecretKey) AppendBytes(dst []byte) []byte {
	if s.IsZero() {
		return dst
	}
	return append(dst, s.key.octets[:]...)
}

// AppendZ85 appends the secret to dst as 40 characters of Z85, or nothing if s is zero.
// The caller wipes them.
func (s SecretKey) AppendZ85(dst []byte) []byte {
	if s.IsZero() {
		return dst
	}
	dst, _ = z85.Append(dst, s.key.octets[:]) // 32 bytes always fit
	return dst
}

// Wipe overwrites the key in memory. Every copy of s is no key afterwards. It must not
// be called while s is in use.
func (s SecretKey) Wipe() {
	if s.key != nil {
		s.key.wipe()
		s.key.public.Store(nil)
	}
}

const redacted = "[secret]"

// Format writes "[secret]" whatever the verb.
func (SecretKey) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[secret]"; the error is always nil. There is no
// UnmarshalText on purpose.
func (SecretKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// GenerateKey returns a new secret key from the operating system's random numbers.
func GenerateKey() SecretKey { return generateKey(rand.Reader) }

// generateKey reads a secret key from random, which must not fail.
func generateKey(random io.Reader) SecretKey {
	key := makeSecretKey()
	mustRead(random, key.key.octets[:])
	return key
}

// mustRead fills p. Without random numbers there is nothing safe to go on
// with; crypto/rand ends the program itself in that case.
func mustRead(random io.Reader, p []byte) {
	if _, err := io.ReadFull(random, p); err != nil {
		panic("curve: no random numbers: " + err.Error())
	}
}

// basepointMult computes the public key of a secret key. It goes by way of
// Edwards25519, which is the same curve in another form, since there are tables
// of its base point's multiples: that takes three quarters of the time.
func basepointMult(secret *[KeySize]byte) PublicKey {
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(secret[:])
	if err != nil {
		panic("curve: " + err.Error()) // never: it refuses nothing but another size
	}
	defer scalar.Set(edwards25519.NewScalar()) // zero
	return PublicKey(new(edwards25519.Point).ScalarBaseMult(scalar).BytesMontgomery())
}
