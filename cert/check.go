package cert

import (
	"fmt"
	"slices"
	"time"

	"github.com/zcurve/zcurve/curve"
)

// CheckKey returns an error for the key of an identity that anyone can assume: one that
// is invalid, with curve.ErrPublicKey, and one whose secret key is public, such as those
// of manual pages and test vectors. Parse and Load accept the latter, so that a tool can
// show it. Call CheckKey before you admit a key that no Checker has checked.
func CheckKey(k curve.PublicKey) error { return named(checkKey(k)) }

func checkKey(k curve.PublicKey) error {
	if err := k.Check(); err != nil {
		return err
	}
	return checkPublished(k)
}

// Check returns an error for a certificate that nobody can trust now: its key or that of
// its authority is unsound, as CheckKey finds, its signature is wrong if it has one, it is
// not yet valid (ErrNotYetValid) or expired (ErrExpired). Whether the authority is trusted
// and has revoked the certificate is decided by a Checker.
func (c *Certificate) Check(now time.Time) error {
	if err := c.checkSound(); err != nil {
		return named(err)
	}
	return named(c.Validity.check(now))
}

// checkSound is Check without the time.
func (c *Certificate) checkSound() error {
	if err := checkKey(c.Public); err != nil || !c.isSigned() {
		return err
	}
	if err := c.Authority.check(); err != nil {
		return err
	}
	return c.verifySignature()
}

// A Checker decides whether a certificate is trusted. The zero Checker trusts no
// certificate. Its Check may be called by several goroutines at once.
type Checker struct {
	// Authorities are the trusted ones. If it is empty, no certificate is trusted.
	Authorities []AuthorityKey

	// Revocations are current revocation lists of the Authorities. A list of another
	// authority makes Check fail, and so does an expired one for the certificates of its
	// authority.
	Revocations []*RevocationList

	// Clock returns the time. If it is nil, time.Now is used.
	Clock func() time.Time
}

// Check returns nil if the certificate is trusted: Certificate.Check finds nothing, one of
// the Authorities signed it, and none of the Revocations revokes it. The error is
// ErrUntrusted, ErrNotYetValid, ErrExpired or ErrRevoked for these reasons, or says what
// else is wrong.
func (ch *Checker) Check(c *Certificate) error { return named(ch.check(c)) }

func (ch *Checker) check(c *Certificate) error {
	if err := checkKey(c.Public); err != nil {
		return err
	}
	switch {
	case !c.isSigned():
		return errUnsigned
	case !slices.Contains(ch.Authorities, c.Authority):
		return fmt.Errorf("%w: %s", errUnknownAuthority, c.Authority)
	}
	if err := c.checkSound(); err != nil {
		return err
	}
	now := time.Now
	if ch.Clock != nil {
		now = ch.Clock
	}
	at := now()
	if err := c.Validity.check(at); err != nil {
		return err
	}
	for _, l := range ch.Revocations {
		if !slices.Contains(ch.Authorities, l.Authority) {
			return fmt.Errorf("revocation list: %w: %s", errUnknownAuthority, l.Authority)
		}
		if err := l.check(c, at); err != nil {
			return err
		}
	}
	return nil
}
