package keystore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
)

var errReason = errors.New("invalid reason")

// maxReason is the length in bytes of the longest reason. It keeps lines short enough for
// czmq.
const maxReason = 900

// A RevokedKey is a store's record of a key that an operator revoked, including a
// revocation that was lifted. See [cert.Revocation] for revocations by an authority. Plain
// data: don't change it while it is in use.
type RevokedKey struct {
	Time   time.Time `json:"time,omitzero"`    // in whole seconds
	Reason string    `json:"reason,omitempty"` // for people; may be empty
	Name   string    `json:"name,omitempty"`   // name of the identity that had the key, if there was one
	Groups []string  `json:"groups,omitempty"` // groups of that identity

	Lifted       time.Time `json:"lifted,omitzero"`         // zero unless the revocation was lifted
	LiftedReason string    `json:"lifted_reason,omitempty"` // for people; may be empty

	// Certificate is the text of the identity's certificate, for restoring the identity
	// when the revocation is lifted. It may be missing or damaged.
	Certificate string `json:"certificate,omitempty"`
}

// InForce reports whether the revocation hasn't been lifted.
func (r *RevokedKey) InForce() bool { return r.Lifted.IsZero() }

// String returns the time and the reason of the revocation, for people.
func (r *RevokedKey) String() string {
	text := "revoked"
	if !r.Time.IsZero() {
		text += " on " + r.Time.UTC().Format(timeLayout)
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// checkReason returns an error for a reason that can't be written.
func checkReason(reason string) error {
	err := zpl.CheckValue(reason)
	if err == nil && len(reason) > maxReason {
		err = fmt.Errorf("longer than %d bytes", maxReason)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errReason, err)
	}
	return nil
}

// check returns an error if the record couldn't be read again after it was written.
func (r *RevokedKey) check() error {
	for _, reason := range []string{r.Reason, r.LiftedReason} {
		if err := checkReason(reason); err != nil {
			return err
		}
	}
	for _, t := range []time.Time{r.Time, r.Lifted} {
		if !t.IsZero() && (t.Nanosecond() != 0 || t.Year() < 1 || t.Year() > 9999) {
			return errors.New("invalid time: expected whole seconds")
		}
	}
	return nil
}

// prepared returns a checked copy of a revocation for Restore, with times in UTC.
func (r *RevokedKey) prepared() (*RevokedKey, error) {
	if r == nil {
		return nil, errors.New("nil revocation")
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	next := *r
	next.Time, next.Lifted, next.Groups = r.Time.UTC(), r.Lifted.UTC(), slices.Clone(r.Groups)
	return &next, nil
}

// equal reports whether two revocations of a key are the same.
func (r *RevokedKey) equal(other *RevokedKey) bool {
	return r.Time.Unix() == other.Time.Unix() && r.Reason == other.Reason &&
		r.Lifted.Unix() == other.Lifted.Unix() && r.LiftedReason == other.LiftedReason
}

// newRevokedKey returns a revocation of a key about which nothing else is known.
func newRevokedKey(at time.Time, reason string) *RevokedKey {
	return &RevokedKey{Time: at.UTC().Truncate(time.Second), Reason: reason}
}

// after returns the revocation as a store records it if the key has an earlier one, which
// may be nil. It is always later than the lifting of the earlier one, even if a clock was
// set back: otherwise, that lifting would apply to this revocation, too. id is the
// identity with the key, or nil.
func (r *RevokedKey) after(before *RevokedKey, id *Identity) *RevokedKey {
	next := *r
	if before != nil && !before.InForce() && !before.Lifted.Before(next.Time) {
		next.Time = before.Lifted.Add(time.Second)
	}
	if id != nil {
		next.Name, next.Groups = id.Name, slices.Clone(id.Groups)
		if text, err := id.Certificate.AppendPublic(nil); err == nil { // otherwise, it would be lost
			next.Certificate = string(text)
		}
	}
	return &next
}

// identity returns the identity that had the key, or nil if its certificate can't be
// read.
func (r *RevokedKey) identity(key curve.PublicKey) *Identity {
	c, err := cert.Parse([]byte(r.Certificate))
	if err != nil || c.Public != key || r.Name == "" {
		return nil
	}
	id, err := prepare(&Identity{Name: r.Name, Certificate: c, Groups: r.Groups})
	if err != nil {
		return nil
	}
	return id
}
