package cert

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

var (
	// ErrNoRevocations means that a text has no section revocations.
	ErrNoRevocations error = kindError("not a revocation list: no section revocations")
	// ErrRevocationsExpired means that a revocation list is too old to tell
	// whether a certificate is revoked.
	ErrRevocationsExpired = errors.New("revocation list expired")
	// ErrRevocationsNotYetValid means that a revocation list was issued in the
	// future: one of two clocks is wrong.
	ErrRevocationsNotYetValid = errors.New("revocation list isn't valid yet")
)

var revocationComments = []string{
	"ZeroMQ Revocation List",
	"Give it to whoever trusts its authority, before it expires.",
}

// Revocation takes back all certificates of a key, or the one with a serial
// number. One of both is set.
type Revocation struct {
	Key    curve.PublicKey // zero if it is about a serial number
	Serial uint64          // 0 if it is about a key
	Time   time.Time       // when it was revoked, in whole seconds
	Reason string          // for people; may be empty
}

// RevocationList is what an authority has taken back. A list that was read is
// signed. Its methods are safe for concurrent use, but for Revoke.
type RevocationList struct {
	Issued    time.Time    // when it was signed
	Expires   time.Time    // until when it can be relied on
	Authority AuthorityKey // who signed it
	Signature Signature
	Warnings  []Warning // as of a Certificate

	revocations []Revocation
	byKey       map[curve.PublicKey]int // index in revocations
	bySerial    map[uint64]int
}

// Len returns the number of revocations.
func (l *RevocationList) Len() int { return len(l.revocations) }

// All yields the revocations, in the order in which they were made.
func (l *RevocationList) All() iter.Seq[Revocation] { return slices.Values(l.revocations) }

// Revoke adds a revocation, and reports whether it was new. Sign the list
// afterwards. The error is form.ErrProperty if it can't be written: neither or both
// of Key and Serial, a Time that a file can't carry, a Reason that isn't UTF-8,
// has both kinds of quotes, control characters, or more than 1005 octets.
func (l *RevocationList) Revoke(r Revocation) (added bool, err error) {
	if (r.Key == curve.PublicKey{}) == (r.Serial == 0) {
		return false, fmt.Errorf("cert: revoking failed: %w: want either a key or a serial number", form.ErrProperty)
	}
	if err := checkTime(r.Time); err != nil {
		return false, fmt.Errorf("cert: revoking failed: %w", err)
	}
	if r.Time.IsZero() {
		return false, fmt.Errorf("cert: revoking failed: %w: no time", form.ErrProperty)
	}
	if err := zpl.CheckValue(r.Reason); err != nil {
		return false, fmt.Errorf("cert: revoking failed: %w: reason: %w", form.ErrProperty, err)
	}
	if len(r.Reason) > form.MaxReason {
		return false, fmt.Errorf("cert: revoking failed: %w: reason: %w", form.ErrProperty, form.ErrLine)
	}
	return l.add(r), nil
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

// Find returns the revocation that takes back a certificate: one of its key,
// whoever signed it, or one of its serial number if this list's authority
// signed it.
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

// Newer reports whether a list is by the same authority as another and was issued
// later. A list that isn't must not take the other's place, however valid it is: it is
// what was known before.
func (l *RevocationList) Newer(than *RevocationList) bool {
	return l.Authority == than.Authority && l.Issued.After(than.Issued)
}

// Lost returns the revocations of an older list of the same authority that this one
// doesn't have, in their order. An authority that doesn't lose any adds to its last list.
func (l *RevocationList) Lost(older *RevocationList) []Revocation {
	var lost []Revocation
	for _, r := range older.revocations {
		_, ok := l.byKey[r.Key]
		if r.Serial != 0 {
			_, ok = l.bySerial[r.Serial]
		}
		if !ok {
			lost = append(lost, r)
		}
	}
	return lost
}

// Check returns ErrRevoked for a certificate that this list takes back. If the
// list can't be relied on, nothing is told of the certificates of its authority:
// ErrRevocationsExpired, ErrRevocationsNotYetValid. It is a function for
// Checker.Revoked.
func (l *RevocationList) Check(c *Certificate, now time.Time) error {
	if r, ok := l.Find(c); ok {
		err := fmt.Errorf("cert: %w: on %s", ErrRevoked, formatTime(r.Time))
		if r.Reason != "" {
			err = fmt.Errorf("%w: %s", err, r.Reason)
		}
		return err
	}
	if c.Authority != l.Authority {
		return nil
	}
	return l.CheckTime(now)
}

// CheckTime returns ErrRevocationsExpired or ErrRevocationsNotYetValid if the
// list can't be relied on at that time.
func (l *RevocationList) CheckTime(now time.Time) error {
	if now.Before(l.Issued) {
		return fmt.Errorf("cert: %w: issued %s", ErrRevocationsNotYetValid, formatTime(l.Issued))
	}
	if !now.Before(l.Expires) {
		return fmt.Errorf("cert: %w on %s", ErrRevocationsExpired, formatTime(l.Expires))
	}
	return nil
}

// SignRevocations signs a list, to be relied on from issued until expires. The
// error is form.ErrProperty for times that can't be, ErrNoSeed or ErrLocked, or
// ErrFile for more than form.MaxList octets or 524,288 lines.
func (a *Authority) SignRevocations(l *RevocationList, issued, expires time.Time) error {
	signed := *l
	signed.Authority, signed.Issued, signed.Expires = a.Key, issued, expires
	text, err := signed.signedText()
	if err != nil {
		return err
	}
	if signed.Signature, err = a.sign(text); err != nil {
		return fmt.Errorf("cert: signing failed: %w", err)
	}
	*l = signed
	return nil
}

// ParseRevocations reads a revocation list whose authority isAuthority trusts.
// The error is a *SyntaxError, ErrUnknownAuthority, ErrSignature, or ErrFile for
// one that would be too large as this package writes it. Whether it has expired is
// asked when it is used.
func ParseRevocations(text []byte, isAuthority func(AuthorityKey) bool) (*RevocationList, error) {
	l, warnings, err := parseText(text, form.MaxList, parseRevocations)
	if err != nil {
		return nil, err
	}
	if !isAuthority(l.Authority) {
		return nil, fmt.Errorf("cert: revocation list: %w: %s", ErrUnknownAuthority, l.Authority)
	}
	signed, err := l.signedText()
	if err != nil {
		return nil, err
	}
	if !l.Authority.verify(signed, l.Signature) {
		return nil, fmt.Errorf("cert: revocation list: %w", ErrSignature)
	}
	l.Warnings = warnings
	return l, nil
}

// LoadRevocations reads a revocation list from a file, as Load does a
// certificate, and verifies it as ParseRevocations does.
func LoadRevocations(path string, isAuthority func(AuthorityKey) bool) (*RevocationList, error) {
	l, _, err := load(path, form.MaxList, func(text []byte) (*RevocationList, error) {
		return ParseRevocations(text, isAuthority)
	})
	return l, err
}

func parseRevocations(root *zpl.Node) (*RevocationList, []zpl.Warning, error) {
	if err := form.CheckSections(root, headSection, revocationsSection, authoritySection); err != nil {
		return nil, nil, err
	}
	revocations, authority := root.Child(revocationsSection), root.Child(authoritySection)
	if revocations == nil {
		return nil, nil, &zpl.Error{Line: 1, Column: 1, Err: ErrNoRevocations}
	}
	if authority == nil {
		return nil, nil, revocations.Error(ErrUnsigned)
	}
	for _, n := range root.Children {
		var err error
		switch n.Name {
		case headSection:
			_, err = headProperties(n)
		case revocationsSection, authoritySection:
		default:
			err = n.Error(fmt.Errorf("%w: section %s", form.ErrProperty, n.Name))
		}
		if err != nil {
			return nil, nil, err
		}
	}
	l := new(RevocationList)
	var err error
	if l.Authority, l.Signature, err = parseSignature(authority); err != nil {
		return nil, nil, err
	}
	if err := checkOdd(root); err != nil {
		return nil, nil, err
	}
	return l, nil, l.parseRevocations(revocations)
}

// checkOdd refuses a value that other programs read otherwise.
func checkOdd(n *zpl.Node) error {
	if n.Odd {
		return n.ValueError(fmt.Errorf("%w: the value of %s isn't what is signed", form.ErrProperty, n.Name))
	}
	for _, child := range n.Children {
		if err := checkOdd(child); err != nil {
			return err
		}
	}
	return nil
}

// parseRevocations reads the section revocations: the times first, then what is
// revoked.
func (l *RevocationList) parseRevocations(section *zpl.Node) error {
	times := &zpl.Node{Name: section.Name, Value: section.Value, HasValue: section.HasValue,
		Line: section.Line, Column: section.Column, ValueColumn: section.ValueColumn}
	for _, n := range section.Children {
		if n.Name == "key" || n.Name == "serial" {
			if err := l.parseRevocation(n); err != nil {
				return err
			}
		} else {
			times.Children = append(times.Children, n)
		}
	}
	values, err := form.AllProperties(times, "issued", "expires")
	if err != nil {
		return err
	}
	if l.Issued, err = parseTime(values[0]); err != nil {
		return err
	}
	if l.Expires, err = parseTime(values[1]); err != nil {
		return err
	}
	if err := l.checkTimes(); err != nil {
		return section.Error(err)
	}
	return nil
}

// parseRevocation reads one revocation.
func (l *RevocationList) parseRevocation(n *zpl.Node) (err error) {
	var r Revocation
	if n.Name == "key" {
		if r.Key, err = curve.ParsePublicKey(n.Value); err != nil {
			return keyError(n, n.Value, err)
		}
	} else if r.Serial, err = parseSerial(n); err != nil {
		return err
	}
	details := &zpl.Node{Name: n.Name, Children: n.Children, Line: n.Line, Column: n.Column}
	values, err := form.Properties(details, "time", "reason")
	if err != nil {
		return err
	}
	if values[0] == nil {
		return n.Error(fmt.Errorf("%w: revocation without a time", form.ErrProperty))
	}
	if r.Time, err = parseTime(values[0]); err != nil {
		return err
	}
	if values[1] != nil {
		if r.Reason = values[1].Value; r.Reason == "" { // it isn't written, and so not signed
			return values[1].ValueError(fmt.Errorf("%w: an empty reason", form.ErrProperty))
		}
	}
	added, err := l.Revoke(r)
	if err != nil {
		return n.Error(err)
	}
	if !added {
		return n.Error(fmt.Errorf("%w: revoked twice", form.ErrProperty))
	}
	return nil
}

// checkTimes refuses times that can't be.
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

// Append appends the text of a signed list to dst. The error is ErrUnsigned, or
// ErrFile as of SignRevocations; dst then comes back unchanged.
func (l *RevocationList) Append(dst []byte) ([]byte, error) {
	if l.Signature.IsZero() {
		return dst, fmt.Errorf("cert: revocation list: %w", ErrUnsigned)
	}
	return appendText(dst, revocationComments, l.nodes(l.revocations), form.MaxList)
}

// Save writes a signed list to path, as Certificate.SavePublic does.
func (l *RevocationList) Save(path string, options ...SaveOption) error {
	return saveOne(path, publicMode, options, l.Append)
}

// signedText is what an authority signs of a list: its one form, with the keys
// in order, then the serial numbers in order. No other text that it signs
// begins so.
func (l *RevocationList) signedText() ([]byte, error) {
	if err := l.checkTimes(); err != nil {
		return nil, fmt.Errorf("cert: revocation list: %w", err)
	}
	sorted := slices.SortedFunc(l.All(), func(a, b Revocation) int {
		return cmp.Or(cmp.Compare(a.Serial, b.Serial), slices.Compare(a.Key[:], b.Key[:]))
	})
	canonical := *l
	canonical.Signature = Signature{}
	return appendText([]byte("zeromq-revocations-1\n"), nil, canonical.nodes(sorted), form.MaxList)
}

// nodes are the sections of the list.
func (l *RevocationList) nodes(revocations []Revocation) []*zpl.Node {
	section := &zpl.Node{Name: revocationsSection, Children: []*zpl.Node{
		form.Property("issued", formatTime(l.Issued)),
		form.Property("expires", formatTime(l.Expires)),
	}}
	for _, r := range revocations {
		n := form.Property("key", r.Key.String())
		if r.Serial != 0 {
			n = form.Property("serial", fmt.Sprint(r.Serial))
		}
		n.Children = []*zpl.Node{form.Property("time", formatTime(r.Time))}
		if r.Reason != "" {
			n.Children = append(n.Children, form.Property("reason", r.Reason))
		}
		section.Children = append(section.Children, n)
	}
	return []*zpl.Node{head(0), section, signatureNode(l.Authority, l.Signature)}
}
