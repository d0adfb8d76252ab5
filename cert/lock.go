package cert

import (
	"fmt"

	"github.com/zcurve/zcurve/curve"
)

// Lock puts the secret key under a passphrase, with Argon2id (RFC 9106, the
// second recommended option) and secretbox, and wipes it. What else stands in
// the certificate can't change until Unlock. A passphrase is octets: what a
// person types should be UTF-8. The error is ErrNoPassphrase, ErrLocked,
// an error if there is no secret key, or that of AppendPublic.
func (c *Certificate) Lock(passphrase []byte) error { return c.lock(passphrase, recommended) }

func (c *Certificate) lock(passphrase []byte, p argonParameters) error {
	if c.Locked != nil {
		return fmt.Errorf("cert: locking failed: %w", ErrLocked)
	}
	if c.Secret.IsZero() {
		return fmt.Errorf("cert: locking failed: %w", errNoSecretKey)
	}
	text, err := c.lockedText()
	if err != nil {
		return err
	}
	var secret [lockedSecretSize]byte
	defer clear(secret[:])
	c.Secret.AppendBytes(secret[:0])
	locked, err := lock(&secret, text, passphrase, p)
	if err != nil {
		return fmt.Errorf("cert: locking failed: %w", err)
	}
	c.Secret.Wipe()
	c.Secret = curve.SecretKey{}
	c.Locked = locked
	return nil
}

// Unlock gets the secret key back. It takes the time and memory that the file
// asks for, within bounds. The error is ErrPassphrase, ErrLockedChanged if
// anything beside the secret key was changed, or one for a key of another certificate. If the
// certificate isn't locked it does nothing.
func (c *Certificate) Unlock(passphrase []byte) error {
	if c.Locked == nil {
		return nil
	}
	text, err := c.lockedText()
	if err != nil {
		return err
	}
	octets, err := c.Locked.unlock(text, passphrase)
	if err != nil {
		return fmt.Errorf("cert: unlocking failed: %w", err)
	}
	defer clear(octets[:])
	secret, err := curve.NewSecretKey(octets[:])
	if err != nil {
		return fmt.Errorf("cert: unlocking failed: %w", err)
	}
	if secret.Public() != c.Public {
		secret.Wipe()
		return fmt.Errorf("cert: unlocking failed: %w", errKeyPair)
	}
	c.Secret, c.Locked = secret, nil
	return nil
}

// lockedText is what is fixed when the secret key is locked.
func (c *Certificate) lockedText() ([]byte, error) {
	text, err := c.AppendCanonical(nil)
	return append(text, c.Signature[:]...), err
}
