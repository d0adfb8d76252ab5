package cert

import (
	"errors"
	"fmt"
	"time"
)

// Why a certificate is refused.
var (
	// ErrUnsigned means that nobody signed it.
	ErrUnsigned = errors.New("not signed")
	// ErrUnknownAuthority means that it is signed, and not by an authority that
	// is trusted here.
	ErrUnknownAuthority = errors.New("signed by an authority that isn't trusted here")
	// ErrSignature means that it isn't what the authority signed.
	ErrSignature = errors.New("wrong signature: changed since it was signed, or signed with another key")
	// ErrNotYetValid means that it is not valid yet.
	ErrNotYetValid = errors.New("not valid yet")
	// ErrExpired means that it is no longer valid.
	ErrExpired = errors.New("expired")
	// ErrRevoked means that the authority took it back.
	ErrRevoked = errors.New("revoked")
)

// Checker decides whether a certificate is to be trusted. Each field is a
// question that only the application can answer. The zero value asks for sound
// keys, for a signature that is right if there is one, and for the time. A
// Checker is safe for concurrent use if its functions are.
type Checker struct {
	// IsAuthority reports whether an authority is trusted. If it is nil,
	// certificates need no signature.
	IsAuthority func(AuthorityKey) bool

	// Revoked returns ErrRevoked for a certificate that was taken back, or another
	// error if that can't be told. RevocationList.Check is such a function. If it
	// is nil, none are.
	Revoked func(c *Certificate, now time.Time) error

	// Clock tells the time. If it is nil, it is time.Now.
	Clock func() time.Time
}

// Check returns nil if the certificate is to be trusted. Otherwise the error is
// the first of: curve.ErrPublicKey, ErrPublishedKey, ErrUnsigned,
// ErrUnknownAuthority, ErrAuthorityKey and ErrPublishedKey of its authority,
// ErrSignature, ErrNotYetValid, ErrExpired, that of Revoked, and that of
// AppendCanonical for a certificate that can't be signed.
func (ch *Checker) Check(c *Certificate) error {
	if err := CheckKey(c.Public); err != nil {
		return err
	}
	if ch.IsAuthority != nil {
		if c.Authority.IsZero() {
			return fmt.Errorf("cert: %w", ErrUnsigned)
		}
		if !ch.IsAuthority(c.Authority) {
			return fmt.Errorf("cert: %w: %s", ErrUnknownAuthority, c.Authority)
		}
	}
	if err := c.Check(); err != nil {
		return err
	}
	now := time.Now
	if ch.Clock != nil {
		now = ch.Clock
	}
	at := now()
	if err := c.Validity.Check(at); err != nil {
		return err
	}
	if ch.Revoked != nil {
		return ch.Revoked(c, at)
	}
	return nil
}
