package cert

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

var revocationComments = []string{
	"ZeroMQ Revocation List",
	"Give this file to everyone who trusts the authority, before it expires.",
}

// ParseRevocations reads a revocation list of at most 16 MiB. A list with a wrong
// signature is an error, but whether its authority is trusted and whether it has expired
// is decided where it is used, as by a Checker. The error is a *SyntaxError, and also
// ErrKind if the text is not a revocation list at all.
func ParseRevocations(text []byte) (*RevocationList, error) {
	l, warnings, err := parseText(text, form.MaxList, parseRevocations)
	if err != nil {
		return nil, named(err)
	}
	l.Warnings = warnings
	return l, nil
}

func parseRevocations(root *zpl.Node) (*RevocationList, []zpl.Warning, error) {
	l, err := parseUnverified(root)
	if err != nil {
		return nil, nil, err
	}
	signed, err := l.signedText()
	if err == nil && !l.Authority.verify(signed, l.signature) {
		err = errSignature
	}
	if err != nil {
		return nil, nil, signatureError(root.Child(authoritySection), err)
	}
	return l, nil, nil
}

// parseUnverified reads a list without verifying its signature.
func parseUnverified(root *zpl.Node) (*RevocationList, error) {
	if err := form.CheckSections(root, headSection, revocationsSection, authoritySection); err != nil {
		return nil, err
	}
	revocations, authority := root.Child(revocationsSection), root.Child(authoritySection)
	if revocations == nil {
		return nil, &zpl.Error{Line: 1, Column: 1, Err: errNoRevocations}
	}
	if authority == nil {
		return nil, revocations.Error(errUnsigned)
	}
	for _, n := range root.Children {
		var err error
		switch n.Name {
		case headSection:
			_, err = headProperties(n)
		case revocationsSection, authoritySection:
		default:
			err = n.Error(fmt.Errorf("%w: section %s is not allowed in a revocation list", form.ErrProperty, n.Name))
		}
		if err != nil {
			return nil, err
		}
	}
	l := new(RevocationList)
	var err error
	if l.Authority, l.signature, err = parseSignature(authority); err != nil {
		return nil, err
	}
	if err := checkOdd(root); err != nil {
		return nil, err
	}
	return l, l.parseRevocations(revocations)
}

// checkOdd returns an error for a value that other programs read differently.
func checkOdd(n *zpl.Node) error {
	if n.Odd {
		return n.ValueError(fmt.Errorf("%w: the value of %s is not covered by the signature", form.ErrProperty, n.Name))
	}
	for _, child := range n.Children {
		if err := checkOdd(child); err != nil {
			return err
		}
	}
	return nil
}

// parseRevocations reads the section revocations: the times, and what is revoked.
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
		if r.Reason = values[1].Value; r.Reason == "" { // it is not written, and so not signed
			return values[1].ValueError(fmt.Errorf("%w: empty reason", form.ErrProperty))
		}
	}
	if err := r.check(); err != nil {
		return n.Error(err)
	}
	if !l.add(r) {
		return n.Error(fmt.Errorf("%w: duplicate revocation", form.ErrProperty))
	}
	return nil
}

// Append appends the text of a signed list to dst. It returns an error, and dst unchanged,
// for a list that is not signed.
func (l *RevocationList) Append(dst []byte) ([]byte, error) {
	out, err := l.append(dst)
	return out, named(err)
}

func (l *RevocationList) append(dst []byte) ([]byte, error) {
	if l.signature.isZero() {
		return dst, fmt.Errorf("revocation list: %w", errUnsigned)
	}
	return form.Append(dst, revocationComments, l.nodes(l.revocations), form.MaxList)
}

// Save writes a signed list to path, as Certificate.SavePublic does.
func (l *RevocationList) Save(path string, options ...SaveOption) error {
	return named(saveOne(path, publicMode, options, l.append))
}

// signedText returns what an authority signs of a list: its one form, with keys in order,
// and then serial numbers in order. No other text that it signs begins with the same line.
func (l *RevocationList) signedText() ([]byte, error) {
	if err := l.checkTimes(); err != nil {
		return nil, err
	}
	sorted := slices.SortedFunc(l.All(), func(a, b Revocation) int {
		return cmp.Or(cmp.Compare(a.Serial, b.Serial), slices.Compare(a.Key[:], b.Key[:]))
	})
	canonical := *l
	canonical.signature = signatureBytes{}
	return form.Append([]byte("zeromq-revocations-1\n"), nil, canonical.nodes(sorted), form.MaxList)
}

// nodes returns the sections of the list.
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
	return []*zpl.Node{head(0), section, signatureNode(l.Authority, l.signature)}
}
