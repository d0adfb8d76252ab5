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

// errSecretKey means that a secret key is all zero: memory that was never filled, or has
// been wiped. Everyone knows the public key of that.
var errSecretKey = errors.New("invalid secret key")

// secret holds 32 bytes that must not print, not even as an unexported field, where fmt
// cannot call methods. There fmt prints a pointer as an address, but for a verb that does
// not fit (%s) it follows one pointer. So every holder of a secret has it behind another
// pointer.
type secret struct{ octets *[KeySize]byte }

func newSecret() secret { return secret{new([KeySize]byte)} }

// wipe overwrites the bytes.
func (s secret) wipe() { clear(s.octets[:]) }

// SecretKey is an X25519 secret key (RFC 7748), which knows its public key. The zero value
// is no key. It prints as "[secret]" under every verb of fmt, in JSON and in slog, and as an
// address where it is an unexported field. Copies share the key: Wipe wipes it for all of
// them.
// Comparing with == does not compile. Safe for concurrent use, except Wipe.
type SecretKey struct {
	_   [0]func() // == would compare addresses
	key *secretKey
}

// secretKey is shared by all copies of a SecretKey.
type secretKey struct {
	secret
	public atomic.Pointer[PublicKey] // nil until Public computes it
}

// newSecretKey returns a key of zeros for the caller to fill.
func newSecretKey() SecretKey { return SecretKey{key: &secretKey{secret: newSecret()}} }

// GenerateKey returns a new secret key from the operating system's random numbers.
func GenerateKey() SecretKey { return generateKey(rand.Reader) }

// generateKey reads a secret key from random, which must not fail.
func generateKey(random io.Reader) SecretKey {
	s := newSecretKey()
	mustRead(random, s.key.octets[:])
	return s
}

// mustRead fills p. Nothing is safe without random numbers. crypto/rand ends the program
// itself when it has none.
func mustRead(random io.Reader, p []byte) {
	if _, err := io.ReadFull(random, p); err != nil {
		panic("curve: no random numbers: " + err.Error())
	}
}

// ParseSecretKey parses the 40 characters of Z85 that AppendZ85 writes, and leaves no copy
// of them. Pass a []byte to wipe it afterwards. It refuses the text of 32 zero bytes.
// Errors never quote the text.
func ParseSecretKey[T string | []byte](text T) (SecretKey, error) {
	if err := checkText(text); err != nil {
		return SecretKey{}, fmt.Errorf("curve: %w", err)
	}
	s := newSecretKey()
	if _, err := z85.AppendDecoded(s.key.octets[:0], text); err != nil {
		return SecretKey{}, fmt.Errorf("curve: %w", err)
	}
	return s.checked()
}

// NewSecretKey returns the secret key of 32 bytes, which it copies. It refuses zeros.
func NewSecretKey(bytes []byte) (SecretKey, error) {
	if len(bytes) != KeySize {
		return SecretKey{}, fmt.Errorf("curve: %w: %d bytes, expected %d", errKeySize, len(bytes), KeySize)
	}
	s := newSecretKey()
	copy(s.key.octets[:], bytes)
	return s.checked()
}

// checked returns s, or errSecretKey if it is all zero.
func (s SecretKey) checked() (SecretKey, error) {
	if s.IsZero() {
		return SecretKey{}, fmt.Errorf("curve: %w: all zero", errSecretKey)
	}
	return s, nil
}

// IsZero reports whether there is no key, or it has been wiped.
func (s SecretKey) IsZero() bool { return s.key == nil || isZero(s.key.octets[:]) }

// Public returns the public key, which it computes only once. It returns the zero
// PublicKey if s is zero.
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

// basepointMult computes the public key of a secret key. It uses Edwards25519, another
// form of the same curve, which has tables of its base point's multiples. That takes three
// quarters of the time.
func basepointMult(secret *[KeySize]byte) PublicKey {
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(secret[:])
	if err != nil {
		panic("curve: " + err.Error()) // never: only another size is refused
	}
	defer scalar.Set(edwards25519.NewScalar()) // zero
	return PublicKey(new(edwards25519.Point).ScalarBaseMult(scalar).BytesMontgomery())
}

// AppendBytes appends the 32 bytes of the key to dst, or nothing if s is zero. The caller
// wipes them.
func (s SecretKey) AppendBytes(dst []byte) []byte {
	if s.IsZero() {
		return dst
	}
	return append(dst, s.key.octets[:]...)
}

// AppendZ85 appends the key to dst as 40 characters of Z85, or nothing if s is zero. The
// caller wipes them.
func (s SecretKey) AppendZ85(dst []byte) []byte {
	if s.IsZero() {
		return dst
	}
	dst, _ = z85.Append(dst, s.key.octets[:]) // 32 bytes always fit
	return dst
}

// Wipe overwrites the key in memory. Every copy of s is zero afterwards. Don't call Wipe
// while the key is in use.
func (s SecretKey) Wipe() {
	if s.key != nil {
		s.key.wipe()
		s.key.public.Store(nil)
	}
}

const redacted = "[secret]"

// Format writes "[secret]", whatever the verb.
func (SecretKey) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[secret]". The error is always nil. There is no UnmarshalText.
func (SecretKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }
