package cert

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// A Revocation revokes all certificates of a key, or the one with a serial number. Exactly
// one of Key and Serial is set.
type Revocation struct {
	Key    curve.PublicKey
	Serial uint64
	Time   time.Time // when it was revoked, in whole seconds
	Reason string    // for people; may be empty
}

// A RevocationList holds what an authority has revoked. One that was read is signed. Its
// methods other than Revoke may be called by several goroutines at once.
type RevocationList struct {
	Issued    time.Time    // when it was signed
	Expires   time.Time    // until when it is valid
	Authority AuthorityKey // who signed it
	Warnings  []Warning    // as of a Certificate

	signature   signatureBytes
	revocations []Revocation
	byKey       map[curve.PublicKey]int // index in revocations
	bySerial    map[uint64]int
}

// Len returns the number of revocations.
func (l *RevocationList) Len() int { return len(l.revocations) }

// All yields the revocations, in the order in which they were added.
func (l *RevocationList) All() iter.Seq[Revocation] { return slices.Values(l.revocations) }

// Revoke adds a revocation, and reports whether it is new. Sign the list afterwards. It
// returns an error for a revocation that cannot be written: with neither or both of Key
// and Serial, without a Time of whole seconds, or with a Reason of more than 1005 bytes or
// one that no metadata could have.
func (l *RevocationList) Revoke(r Revocation) (added bool, err error) {
	if err := r.check(); err != nil {
		return false, named(fmt.Errorf("revoking: %w", err))
	}
	if added = l.add(r); added {
		l.signature = signatureBytes{} // it is not of this list any more
	}
	return added, nil
}

// check returns an error for a revocation that cannot be written.
func (r *Revocation) check() error {
	if (r.Key == curve.PublicKey{}) == (r.Serial == 0) {
		return fmt.Errorf("%w: expected either a key or a serial number", form.ErrProperty)
	}
	if err := checkTime(r.Time); err != nil {
		return err
	}
	if r.Time.IsZero() {
		return fmt.Errorf("%w: no time", form.ErrProperty)
	}
	if err := zpl.CheckValue(r.Reason); err != nil {
		return fmt.Errorf("%w: reason: %w", form.ErrProperty, err)
	}
	if len(r.Reason) > form.MaxReason {
		return fmt.Errorf("%w: reason: %w", form.ErrProperty, form.ErrLine)
	}
	return nil
}

func (l *RevocationList) add(r Revocation) bool {
	if l.byKey == nil {
		l.byKey, l.bySerial = map[curve.PublicKey]int{}, map[uint64]int{}
	}
	if r.Serial != 0 {
		if _, ok := l.bySerial[r.Serial]; ok {
			return false
		}
		l.bySerial[r.Serial] = len(l.revocations)
	} else {
		if _, ok := l.byKey[r.Key]; ok {
			return false
		}
		l.byKey[r.Key] = len(l.revocations)
	}
	l.revocations = append(l.revocations, r)
	return true
}

// Find returns the revocation of a certificate: one of its key, of any authority, or one
// of its serial number if the authority of the list signed it.
func (l *RevocationList) Find(c *Certificate) (r Revocation, ok bool) {
	i, ok := l.byKey[c.Public]
	if !ok && c.Serial != 0 && c.Authority == l.Authority {
		i, ok = l.bySerial[c.Serial]
	}
	if !ok {
		return r, false
	}
	return l.revocations[i], true
}

// Check returns ErrRevoked if the list revokes c. For other certificates of the list's
// authority, it returns an error if the list has expired or is not yet valid at now, as
// the certificate could be revoked on the current list.
func (l *RevocationList) Check(c *Certificate, now time.Time) error { return named(l.check(c, now)) }

func (l *RevocationList) check(c *Certificate, now time.Time) error {
	if r, ok := l.Find(c); ok {
		if r.Reason != "" {
			return fmt.Errorf("%w on %s: %s", ErrRevoked, formatTime(r.Time), r.Reason)
		}
		return fmt.Errorf("%w on %s", ErrRevoked, formatTime(r.Time))
	}
	switch {
	case c.Authority != l.Authority:
		return nil
	case now.Before(l.Issued):
		return fmt.Errorf("%w: issued on %s", errListNotIssued, formatTime(l.Issued))
	case !now.Before(l.Expires):
		return fmt.Errorf("%w on %s", errListExpired, formatTime(l.Expires))
	}
	return nil
}

// SignRevocations signs a list, which is valid from issued until expires. It is an error
// if issued is not earlier than expires, if the authority has no secret key or is locked,
// or if the list is larger than 16 MiB or has more than 524,288 lines.
func (a *Authority) SignRevocations(l *RevocationList, issued, expires time.Time) error {
	if err := a.signRevocations(l, issued, expires); err != nil {
		return named(fmt.Errorf("signing: %w", err))
	}
	return nil
}

func (a *Authority) signRevocations(l *RevocationList, issued, expires time.Time) error {
	signed := *l
	signed.Authority, signed.Issued, signed.Expires = a.Key, issued, expires
	text, err := signed.signedText()
	if err != nil {
		return err
	}
	if signed.signature, err = a.sign(text); err != nil {
		return err
	}
	*l = signed
	return nil
}

// checkTimes returns an error for times that cannot be written, or make no sense.
func (l *RevocationList) checkTimes() error {
	if l.Issued.IsZero() || l.Expires.IsZero() {
		return fmt.Errorf("%w: a revocation list needs the times issued and expires", form.ErrProperty)
	}
	for _, t := range []time.Time{l.Issued, l.Expires} {
		if err := checkTime(t); err != nil {
			return err
		}
	}
	if !l.Issued.Before(l.Expires) {
		return fmt.Errorf("%w: the revocation list expires before it is issued", form.ErrProperty)
	}
	return nil
}
