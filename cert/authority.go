package cert

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
)

// An Authority signs certificates and revocation lists with an Ed25519 key, which is never
// a CURVE key. Like a certificate, it has two files: NAME.authority for those who trust it,
// and NAME.authority_secret, to keep off the machines that run services. Its methods other
// than Lock and Unlock may be called by several goroutines at once.
type Authority struct {
	Key      AuthorityKey
	Metadata Metadata
	Warnings []Warning // as of a Certificate

	seed   *hidden.Bytes // nil in a public or locked authority
	locked *lockedKey    // the secret key under a passphrase, or nil
}

// GenerateAuthority returns an authority with this name and a new key. An empty name
// means none.
func GenerateAuthority(name string) *Authority {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	a := &Authority{Metadata: nameOnly(name), seed: hidden.New(seed)}
	a.Key = a.public()
	return a
}

// private returns the key that belongs to the seed.
func (a *Authority) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(a.seed.Reveal()) }

// public returns the public half of private.
func (a *Authority) public() AuthorityKey {
	return AuthorityKey(a.private().Public().(ed25519.PublicKey))
}

// Name returns the metadata property name, or "".
func (a *Authority) Name() string { return a.Metadata.Get("name") }

// HasSecret reports whether the authority can sign: it has its secret key, unlocked.
func (a *Authority) HasSecret() bool { return a.seed != nil }

// Locked returns the scheme by which the secret key is locked with a passphrase, and
// whether it is.
func (a *Authority) Locked() (scheme string, ok bool) { return a.locked.scheme() }

// sign signs a text, whose first line names its kind.
func (a *Authority) sign(text []byte) (signatureBytes, error) {
	switch {
	case a.seed != nil && a.public() != a.Key:
		return signatureBytes{}, errSeed
	case a.seed != nil:
		return signatureBytes(ed25519.Sign(a.private(), text)), nil
	case a.locked != nil:
		return signatureBytes{}, errLocked
	}
	return signatureBytes{}, errNoSeed
}

// Sign signs everything public in a certificate. Set its Validity, Serial and Metadata
// first, and change nothing afterwards. Sign replaces an earlier signature. It is an error
// if the authority has no secret key or is locked, if the certificate cannot be written or
// is locked (nothing in it can change then), or if it was read from a secret certificate
// with sections that this version does not know, which would become public.
func (a *Authority) Sign(c *Certificate) error {
	if err := a.signCertificate(c); err != nil {
		return named(fmt.Errorf("signing: %w", err))
	}
	return nil
}

func (a *Authority) signCertificate(c *Certificate) error {
	if c.locked != nil {
		return fmt.Errorf("the certificate's %w", errLocked)
	}
	if c.hasPrivate() {
		return fmt.Errorf("%w: section %s comes from a secret certificate and would become public: sign the public certificate",
			form.ErrProperty, c.extra[0].Name)
	}
	signed := *c
	signed.Authority = a.Key
	text, err := signed.signedText()
	if err != nil {
		return err
	}
	if signed.signature, err = a.sign(text); err != nil {
		return err
	}
	*c = signed
	return nil
}

// verifySignature returns an error if there is no valid signature.
func (c *Certificate) verifySignature() error {
	if !c.isSigned() {
		return errUnsigned
	}
	text, err := c.signedText()
	if err != nil {
		return err
	}
	if !c.Authority.verify(text, c.signature) {
		return errSignature
	}
	return nil
}

// signedText returns what an authority signs of a certificate. No other text that it signs
// begins with the same line.
func (c *Certificate) signedText() ([]byte, error) {
	return c.appendCanonical([]byte("zeromq-certificate-1\n"))
}

// Lock encrypts the secret key with a passphrase, as Certificate.Lock does.
func (a *Authority) Lock(passphrase []byte) error {
	if err := a.lock(passphrase, argon.Recommended); err != nil {
		return named(fmt.Errorf("locking: %w", err))
	}
	return nil
}

func (a *Authority) lock(passphrase []byte, p argon.Parameters) error {
	switch {
	case a.locked != nil:
		return errLocked
	case a.seed == nil:
		return errNoSeed
	}
	text, err := a.publicText()
	if err != nil {
		return err
	}
	if a.locked, err = lock((*[lockedSecretSize]byte)(a.seed.Reveal()), text, passphrase, p); err != nil {
		return err
	}
	clear(a.seed.Reveal())
	a.seed = nil
	return nil
}

// Unlock decrypts the secret key, as Certificate.Unlock does.
func (a *Authority) Unlock(passphrase []byte) error {
	if a.locked == nil {
		return nil
	}
	if err := a.unlock(passphrase); err != nil {
		return named(fmt.Errorf("unlocking: %w", err))
	}
	return nil
}

func (a *Authority) unlock(passphrase []byte) error {
	text, err := a.publicText()
	if err != nil {
		return err
	}
	seed, err := a.locked.unlock(text, passphrase)
	if err != nil {
		return err
	}
	unlocked := *a
	unlocked.seed, unlocked.locked = hidden.New(seed[:]), nil
	if unlocked.public() != a.Key {
		clear(seed[:])
		return errSeed
	}
	*a = unlocked
	return nil
}
