package cert

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
)

var (
	// ErrAuthorityKey means that a text is no authority's key.
	ErrAuthorityKey = errors.New("not an authority's key")
	// ErrNoSeed means that an authority can't sign: its file is the public one.
	ErrNoSeed = errors.New("no secret key of an authority")
	// ErrSeed means that an authority's two keys don't belong together.
	ErrSeed = errors.New("the authority's secret key belongs to another public one")
)

// authorityPrefix tells an authority's key from any other.
const authorityPrefix = "ed25519:"

// AuthorityKey is the Ed25519 public key of an authority (RFC 8032). The zero
// value is none.
type AuthorityKey [ed25519.PublicKeySize]byte

// ParseAuthorityKey reads what String writes. The error is ErrAuthorityKey, also for
// a key for which anybody could sign.
func ParseAuthorityKey(s string) (k AuthorityKey, err error) {
	text, ok := strings.CutPrefix(s, authorityPrefix)
	if !ok || !form.Decode(k[:], text) || k.IsZero() {
		return AuthorityKey{}, fmt.Errorf("%w: %d characters, expected %s and 43 of base64", ErrAuthorityKey, len(s), authorityPrefix)
	}
	if k.isWeak() {
		return AuthorityKey{}, fmt.Errorf("%w: %s: anybody can sign for it", ErrAuthorityKey, s)
	}
	return k, nil
}

// Fingerprint returns the SHA-256 of the key, as [curve.PublicKey.Fingerprint] does.
func (k AuthorityKey) Fingerprint() string { return curve.PublicKey(k).Fingerprint() }

// Check refuses the key of an authority for which anybody can sign: ErrAuthorityKey
// for one that is zero, of small order or not in the one form that key generation
// gives, ErrPublishedKey for one whose secret key is published. Ask it before
// you trust an authority.
func (k AuthorityKey) Check() error {
	if k.isWeak() {
		return fmt.Errorf("cert: %w: %s: anybody can sign for it", ErrAuthorityKey, k)
	}
	return checkPublished(k)
}

// weakOrdinates are the y of the eight points of small order: 0, 1, -1, and those two
// of the points of order 8. A signature under such a key is right for many texts.
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

// isWeak reports whether a key is of small order, or another name for a key: y at or
// above 2^255-19.
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

// IsZero reports whether there is no key.
func (k AuthorityKey) IsZero() bool { return k == AuthorityKey{} }

// String returns "ed25519:" and 43 characters of base64.
func (k AuthorityKey) String() string { return authorityPrefix + form.Encoding.EncodeToString(k[:]) }

// MarshalText returns String; the error is always nil.
func (k AuthorityKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what String writes. The error is ErrAuthorityKey.
func (k *AuthorityKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParseAuthorityKey(string(text))
	return err
}

// Signature is an Ed25519 signature (RFC 8032). The zero value is none.
type Signature [ed25519.SignatureSize]byte

// IsZero reports whether there is no signature.
func (s Signature) IsZero() bool { return s == Signature{} }

// String returns 86 characters of base64.
func (s Signature) String() string { return form.Encoding.EncodeToString(s[:]) }

// Authority signs certificates and revocation lists with an Ed25519 key, which
// is never a CURVE key. It has two files, as a certificate has: NAME.authority
// for those who trust it, and NAME.authority_secret, which should stay off the
// machines that run services. Its methods are safe for concurrent use, but for
// Lock and Unlock.
type Authority struct {
	Key      AuthorityKey
	Locked   *Locked // the secret key under a passphrase, or nil
	Metadata Metadata
	Warnings []Warning // as of a Certificate

	seed *hidden.Bytes // nil in a public or locked one
}

// GenerateAuthority returns an authority of this name with a new key. An empty name
// means none.
func GenerateAuthority(name string) *Authority {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	a := &Authority{Metadata: nameOnly(name), seed: hidden.New(seed)}
	a.Key = a.public()
	return a
}

// private is the key that belongs to the seed.
func (a *Authority) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(a.seed.Reveal()) }

// public is the public half of private.
func (a *Authority) public() AuthorityKey {
	return AuthorityKey(a.private().Public().(ed25519.PublicKey))
}

// Name is what the metadata calls the authority, or "".
func (a *Authority) Name() string {
	return a.Metadata.Get("name")
}

// HasSecret reports whether the authority can sign.
func (a *Authority) HasSecret() bool { return a.seed != nil }

// sign signs a text, whose first line says what it is.
func (a *Authority) sign(text []byte) (Signature, error) {
	switch {
	case a.seed != nil:
		return Signature(ed25519.Sign(a.private(), text)), nil
	case a.Locked != nil:
		return Signature{}, ErrLocked
	}
	return Signature{}, ErrNoSeed
}

// verify reports whether a signature of a text is right.
func (k AuthorityKey) verify(text []byte, s Signature) bool {
	return !k.isWeak() && ed25519.Verify(k[:], text, s[:])
}

// Sign signs everything public in a certificate, as it is: set its Validity,
// Serial and Metadata before, and change nothing afterwards. An older signature
// is replaced. The error is ErrNoSeed, ErrLocked, or that of AppendCanonical;
// also ErrLocked if the certificate's own secret is locked, because what stands
// beside that can't change, and form.ErrProperty if it was read with its secret key and
// a section that this version doesn't know.
func (a *Authority) Sign(c *Certificate) error {
	if c.Locked != nil {
		return fmt.Errorf("cert: signing failed: the certificate's %w", ErrLocked)
	}
	if c.hasPrivate() {
		return fmt.Errorf("cert: signing failed: %w: section %s was read beside the secret key and would become public: sign the public certificate",
			form.ErrProperty, c.extra[0].Name)
	}
	signed := *c
	signed.Authority = a.Key
	text, err := signed.signedText()
	if err != nil {
		return err
	}
	if signed.Signature, err = a.sign(text); err != nil {
		return fmt.Errorf("cert: signing failed: %w", err)
	}
	*c = signed
	return nil
}

// VerifySignature returns ErrUnsigned if nobody signed the certificate, and
// ErrSignature if it isn't what the authority signed. It does not ask whether
// that authority is to be trusted, nor the time: that is for a Checker.
func (c *Certificate) VerifySignature() error {
	if c.Authority.IsZero() {
		return fmt.Errorf("cert: %w", ErrUnsigned)
	}
	text, err := c.signedText()
	if err != nil {
		return err
	}
	if !c.Authority.verify(text, c.Signature) {
		return fmt.Errorf("cert: %w", ErrSignature)
	}
	return nil
}

// signedText is what an authority signs of a certificate. No other text that it
// signs begins so.
func (c *Certificate) signedText() ([]byte, error) {
	return c.AppendCanonical([]byte("zeromq-certificate-1\n"))
}

// Lock puts the secret key under a passphrase and wipes it. The error is
// ErrNoPassphrase, ErrNoSeed, ErrLocked, or that of AppendPublic.
func (a *Authority) Lock(passphrase []byte) error { return a.lock(passphrase, recommended) }

func (a *Authority) lock(passphrase []byte, p argonParameters) error {
	if a.seed == nil {
		if a.Locked != nil {
			return fmt.Errorf("cert: locking failed: %w", ErrLocked)
		}
		return fmt.Errorf("cert: locking failed: %w", ErrNoSeed)
	}
	text, err := a.publicText()
	if err != nil {
		return err
	}
	if a.Locked, err = lock((*[lockedSecretSize]byte)(a.seed.Reveal()), text, passphrase, p); err != nil {
		return fmt.Errorf("cert: locking failed: %w", err)
	}
	clear(a.seed.Reveal())
	a.seed = nil
	return nil
}

// Unlock gets the secret key back. The error is ErrPassphrase, ErrLockedChanged,
// ErrSeed, or that of AppendPublic. If the authority isn't locked it does nothing.
func (a *Authority) Unlock(passphrase []byte) error {
	if a.Locked == nil {
		return nil
	}
	text, err := a.publicText()
	if err != nil {
		return err
	}
	seed, err := a.Locked.unlock(text, passphrase)
	if err != nil {
		return fmt.Errorf("cert: unlocking failed: %w", err)
	}
	unlocked := Authority{Key: a.Key, Metadata: a.Metadata, seed: hidden.New(seed[:])}
	if unlocked.public() != a.Key {
		clear(seed[:])
		return fmt.Errorf("cert: unlocking failed: %w", ErrSeed)
	}
	*a = unlocked
	return nil
}
