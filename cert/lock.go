package cert

import (
	"fmt"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/argon"
)

// Lock encrypts the secret key with a passphrase, by Argon2id (RFC 9106, the second
// recommended option) and secretbox, and wipes it. Until Unlock, nothing else in the
// certificate can change. A passphrase is bytes; one that a person types should be UTF-8.
// The error is ErrPassphrase if it is empty. A certificate that is locked, or has no
// secret key, cannot be locked.
func (c *Certificate) Lock(passphrase []byte) error {
	return named(c.lock(passphrase, argon.Recommended))
}

func (c *Certificate) lock(passphrase []byte, p argon.Parameters) error {
	switch {
	case c.locked != nil:
		return fmt.Errorf("locking: %w", errLocked)
	case c.Secret.IsZero():
		return fmt.Errorf("locking: %w", errNoSecretKey)
	case !c.Service.IsZero():
		return fmt.Errorf("locking: %w", errServiceLocked)
	}
	rest, err := c.lockedText()
	if err != nil {
		return err
	}
	var secret [lockedSecretSize]byte
	defer clear(secret[:])
	c.Secret.AppendBytes(secret[:0])
	locked, err := lock(&secret, rest, passphrase, p)
	if err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	c.Secret.Wipe()
	c.Secret, c.locked = curve.SecretKey{}, locked
	return nil
}

// Unlock decrypts the secret key. It takes the time and memory that the file asks for,
// within bounds: at most 1 GiB and a few seconds. The error is ErrPassphrase if the
// passphrase is wrong. It is also an error if anything else in the certificate has changed
// since Lock. If the certificate is not locked, Unlock does nothing.
func (c *Certificate) Unlock(passphrase []byte) error { return named(c.unlock(passphrase)) }

func (c *Certificate) unlock(passphrase []byte) error {
	if c.locked == nil {
		return nil
	}
	rest, err := c.lockedText()
	if err != nil {
		return err
	}
	key, err := c.locked.unlock(rest, passphrase)
	if err != nil {
		return fmt.Errorf("unlocking: %w", err)
	}
	defer clear(key[:])
	secret, err := curve.NewSecretKey(key[:])
	if err != nil {
		return fmt.Errorf("unlocking: %w", err)
	}
	if secret.Public() != c.Public {
		secret.Wipe()
		return fmt.Errorf("unlocking: %w", errKeyPair)
	}
	c.Secret, c.locked = secret, nil
	return nil
}

// lockedText returns what must not change while the secret key is locked.
func (c *Certificate) lockedText() ([]byte, error) {
	text, err := c.appendCanonical(nil)
	return append(text, c.signature[:]...), err
}
