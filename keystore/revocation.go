package keystore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
)

// ErrReason means that a reason can't be written: it has control characters, both
// kinds of quotes, or more than 900 octets.
var ErrReason = errors.New("unusable reason")

// maxReason is the length in octets of the longest reason: with it a line stays
// below what czmq reads.
const maxReason = 900

// Revocation is that a key is refused, whatever certificate it comes with.
type Revocation struct {
	Time   time.Time `json:"time,omitzero"`    // in whole seconds
	Reason string    `json:"reason,omitempty"` // for people; may be empty
	Name   string    `json:"name,omitempty"`   // of the identity that had the key, if there was one
	Groups []string  `json:"groups,omitempty"` // the same

	Lifted       time.Time `json:"lifted,omitzero"`         // zero while it is in force
	LiftedReason string    `json:"lifted_reason,omitempty"` // for people; may be empty

	// Certificate is the text of the identity's certificate, to come back when the
	// revocation is lifted. It may be missing, and need not be one that can be read.
	Certificate string `json:"certificate,omitempty"`
}

// InForce reports whether it wasn't lifted.
func (r *Revocation) InForce() bool { return r.Lifted.IsZero() }

// String says when and why, for people.
func (r *Revocation) String() string {
	text := "revoked"
	if !r.Time.IsZero() {
		text += " on " + r.Time.Format(timeLayout)
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// checkReason refuses what can't be written.
func checkReason(reason string) error {
	err := zpl.CheckValue(reason)
	if err == nil && len(reason) > maxReason {
		err = fmt.Errorf("more than %d octets", maxReason)
	}
	if err != nil {
		return fmt.Errorf("keystore: %w: %w", ErrReason, err)
	}
	return nil
}

// newRevocation is that of a key about which nothing else is known.
func newRevocation(at time.Time, reason string) *Revocation {
	return &Revocation{Time: at.UTC().Truncate(time.Second), Reason: reason}
}

// after is the revocation as it is in a store where the key had another one before,
// which may be nil: what was lifted then doesn't lift this one, also if a clock was set
// back since. id has the key, or is nil.
func (r *Revocation) after(before *Revocation, id *Identity) *Revocation {
	next := *r
	if before != nil && !before.InForce() && !before.Lifted.Before(next.Time) {
		next.Time = before.Lifted.Add(time.Second)
	}
	if id != nil {
		next.Name, next.Groups = id.Name, id.Groups
		if text, err := id.Certificate.AppendPublic(nil); err == nil { // one that can't be written again is lost
			next.Certificate = string(text)
		}
	}
	return &next
}

// entry is the identity that had the key, to be put again, if its certificate can
// be read.
func (r *Revocation) entry(key curve.PublicKey) (Entry, bool) {
	c, err := cert.Parse([]byte(r.Certificate))
	if err != nil || c.Public != key || r.Name == "" {
		return Entry{}, false
	}
	return Entry{Name: r.Name, Certificate: c, Groups: r.Groups}, true
}

// Names in the record of a revocation.
const (
	revokedSection   = "revoked"
	keyName          = "key"
	timeName         = "time"
	reasonName       = "reason"
	nameName         = "name"
	groupName        = "group"
	liftedName       = "lifted"
	liftedReasonName = "lifted-reason"
)

// timeLayout is RFC 3339 in UTC and whole seconds.
const timeLayout = "2006-01-02T15:04:05Z"

// errRecord means that the record of a revocation can't be read.
var errRecord = errors.New("not the record of a revocation")

// base64Line is how many characters of the certificate a comment has.
const base64Line = 64

// appendRecord appends the record of a revocation in a directory. The certificate is
// in comments, such that no other program takes it for one that is valid.
func appendRecord(dst []byte, key curve.PublicKey, r *Revocation) ([]byte, error) {
	section := &zpl.Node{Name: revokedSection}
	add := func(name, value string) {
		if value != "" {
			section.Children = append(section.Children, &zpl.Node{Name: name, Value: value, HasValue: true})
		}
	}
	format := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(timeLayout)
	}
	add(keyName, key.String())
	add(timeName, format(r.Time))
	add(reasonName, r.Reason)
	if zpl.CheckValue(r.Name) == nil {
		add(nameName, r.Name)
	}
	for _, g := range r.Groups {
		if zpl.CheckValue(g) == nil {
			add(groupName, g)
		}
	}
	add(liftedName, format(r.Lifted))
	add(liftedReasonName, r.LiftedReason)
	comments := []string{"ZeroMQ CURVE Revoked Key", "Its owner is refused, whatever this file holds. To lift: zcert store unrevoke"}
	if !r.InForce() {
		comments[1] = "It was lifted: this file is the trace."
	}
	text := base64.StdEncoding.EncodeToString([]byte(r.Certificate))
	for len(text) > 0 {
		n := min(len(text), base64Line)
		comments = append(comments, text[:n])
		text = text[n:]
	}
	return zpl.Append(dst, comments, []*zpl.Node{section})
}

// parseRecord reads what appendRecord wrote. key is that by which the record is
// called. What it can't read is an error, and no reason to let the key in.
func parseRecord(key curve.PublicKey, text []byte) (*Revocation, error) {
	root, _, err := zpl.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	if len(root.Children) != 1 || root.Children[0].Name != revokedSection || root.Children[0].HasValue {
		return nil, errRecord
	}
	r := new(Revocation)
	seen := map[string]bool{}
	for _, n := range root.Children[0].Children {
		if len(n.Children) > 0 || seen[n.Name] && n.Name != groupName {
			return nil, fmt.Errorf("%w: line %d", errRecord, n.Line)
		}
		seen[n.Name] = true
		switch n.Name {
		case keyName:
			if n.Value != key.String() {
				err = errors.New("of another key")
			}
		case timeName:
			r.Time, err = time.Parse(timeLayout, n.Value)
		case reasonName:
			r.Reason = n.Value
		case nameName:
			r.Name = n.Value
		case groupName:
			r.Groups = append(r.Groups, n.Value)
		case liftedName:
			r.Lifted, err = time.Parse(timeLayout, n.Value)
		case liftedReasonName:
			r.LiftedReason = n.Value
		default:
			err = fmt.Errorf("unknown property %s", n.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errRecord, n.Line, err)
		}
	}
	if !seen[keyName] || !seen[timeName] && !seen[liftedName] {
		return nil, errRecord
	}
	r.Certificate = certificateIn(text)
	return r, nil
}

// certificateIn returns the certificate's text in the comments of a record, or "".
func certificateIn(text []byte) string {
	var encoded strings.Builder
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		if comment = strings.TrimSpace(comment); ok && !strings.Contains(comment, " ") {
			encoded.WriteString(comment)
		}
	}
	out, err := base64.StdEncoding.DecodeString(encoded.String())
	if err != nil {
		return ""
	}
	return string(out)
}
