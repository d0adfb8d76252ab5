package cert

import (
	"errors"
	"fmt"
	"slices"
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
	// ErrPublishedKey means that its secret key is printed in manuals, for tests.
	ErrPublishedKey = errors.New("a test key, whose secret key is published")
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
// ErrUnknownAuthority, ErrSignature, ErrNotYetValid, ErrExpired, that of
// Revoked, and that of AppendCanonical for a certificate that can't be signed.
func (ch *Checker) Check(c *Certificate) error {
	if err := c.Public.Check(); err != nil {
		return fmt.Errorf("cert: %w", err)
	}
	if slices.Contains(publishedKeys, c.Public.String()) {
		return fmt.Errorf("cert: %w", ErrPublishedKey)
	}
	if ch.IsAuthority != nil {
		if c.Authority.IsZero() {
			return fmt.Errorf("cert: %w", ErrUnsigned)
		}
		if !ch.IsAuthority(c.Authority) {
			return fmt.Errorf("cert: %w: %s", ErrUnknownAuthority, c.Authority)
		}
	}
	if !c.Authority.IsZero() {
		if err := c.VerifySignature(); err != nil {
			return err
		}
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

// publishedKeys are public keys whose secret keys anybody can read, and some
// people paste into their programs.
var publishedKeys = []string{
	"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", // libzmq's manual, zmq_curve(7): client
	"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", // the same: server
	"{{k*81)yMWEF{/BxdMd[5RL^qRFxBgoL<8m.D^KD", // libzmq's fuzz tests: client
	"3.9-xXwy{g*w72TP*3iB9IJJRxlBH<ufTAvPd2>C", // the same: server
	"<n^oA}I:66W+*ds3tAmi1+KJzv-}k&fC2aA5Bj0K", // libzmq's performance tests: client
	"DX4nh=yUn{-9ugra0X3Src4SU-4xTgqxcYY.+<SH", // the same: server
	"G=]<>I7>&bBC>O5V{aj/4zK}kco8}o(.HIuS*=:#", // RFC 7748, section 6.1: Alice
	"?K-FIDWS-q^{3m$)bQ2.kz8tAtx<^PT]9RZz?]]t", // the same: Bob
}
