package cert

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/zpl"
)

// Parse reads a certificate, public or secret, of at most 64 KiB. A certificate with a
// wrong signature is an error, but whether its authority is trusted is decided by a
// Checker. The error is a *SyntaxError, and also ErrKind if the text is not a certificate
// at all.
func Parse(text []byte) (*Certificate, error) {
	c, warnings, err := parseText(text, form.MaxFile, parseVerified)
	if err != nil {
		return nil, named(err)
	}
	c.Warnings = warnings
	return c, nil
}

// parseText reads a text of at most limit bytes with parse, which reads its sections. The
// error is a *SyntaxError.
func parseText[T any](text []byte, limit int, parse func(root *zpl.Node) (*T, []zpl.Warning, error)) (*T, []Warning, error) {
	if len(text) > limit {
		return nil, nil, &SyntaxError{Line: 1, Column: 1, Err: fmt.Errorf("%w %d bytes", regular.ErrTooLarge, limit)}
	}
	root, warnings, err := zpl.ParseHiding(text, curveSection+"/"+form.SecretKey, authoritySection+"/"+seedName)
	var parsed *T
	if err == nil {
		defer root.Wipe()
		var more []zpl.Warning
		parsed, more, err = parse(root)
		warnings = append(append(warnings, longLine(text)...), more...)
	}
	if place, ok := errors.AsType[*zpl.Error](err); ok {
		return nil, nil, &SyntaxError{Line: place.Line, Column: place.Column, Err: place.Err}
	}
	if err != nil {
		return nil, nil, &SyntaxError{Line: 1, Column: 1, Err: err}
	}
	var all []Warning
	for _, w := range warnings {
		all = append(all, Warning{Line: w.Line, Text: w.Text})
	}
	return parsed, all, nil
}

// longLine warns of the first line that is too long for czmq, for which only LF ends a
// line.
func longLine(text []byte) []zpl.Warning {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if n := len(bytes.TrimSuffix(line, []byte("\n"))); n > form.MaxLine {
			return []zpl.Warning{{Line: number, Text: fmt.Sprintf("line of %d bytes: czmq cannot read more than %d", n, form.MaxLine)}}
		}
	}
	return nil
}

// parseVerified is parse, and also verifies the signature.
func parseVerified(root *zpl.Node) (*Certificate, []zpl.Warning, error) {
	c, warnings, err := parse(root)
	if err != nil || !c.isSigned() {
		return c, warnings, err
	}
	if err := c.verifySignature(); err != nil {
		c.Secret.Wipe()
		return nil, nil, signatureError(root.Child(authoritySection), err)
	}
	return c, warnings, nil
}

func parse(root *zpl.Node) (c *Certificate, warnings []zpl.Warning, err error) {
	if err := form.CheckSections(root, headSection, metadataSection, curveSection, lockedSection, validitySection, authoritySection, serviceSection); err != nil {
		return nil, nil, err
	}
	keys := root.Child(curveSection)
	if n := root.Child(form.PublicKey); n != nil && (keys == nil || keys.Child(form.PublicKey) == nil) {
		return nil, nil, n.Error(fmt.Errorf("%w: %s is outside a section: put it below a line \"%s\", indented with 4 spaces",
			form.ErrProperty, form.PublicKey, curveSection))
	}
	if keys == nil {
		return nil, nil, &zpl.Error{Line: 1, Column: 1, Err: errNoPublicKey}
	}
	c = new(Certificate)
	for _, n := range root.Children {
		var more []zpl.Warning
		switch n.Name {
		case headSection:
			c.Serial, err = parseHead(n)
		case metadataSection:
			c.Metadata, more, err = form.ParseMetadata(n)
		case curveSection: // last, as it must fit the others
		case lockedSection:
			c.locked, err = parseLocked(n)
		case validitySection:
			c.Validity, err = parseValidity(n)
		case authoritySection:
			c.Authority, c.signature, err = parseSignature(n)
		case serviceSection:
			c.Service, err = parseService(n)
		case plainSection, revocationsSection, revokedSection:
			err = n.Error(fmt.Errorf("%w: section %s is not allowed in a certificate", form.ErrProperty, n.Name))
		default:
			err = form.CheckForeign(n)
			c.extra = append(c.extra, n)
			more = unwritable(n)
		}
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, more...)
	}
	if err := c.parseKeys(keys); err != nil {
		return nil, nil, err
	}
	if n := root.Child(serviceSection); n != nil && c.Secret.IsZero() {
		return nil, nil, n.Error(errServicePublic)
	}
	more, err := c.checkStrays(root)
	if err != nil {
		c.Secret.Wipe()
		return nil, nil, err
	}
	return c, append(append(warnings, more...), c.keepPrivate()...), nil
}

// checkStrays looks for what is in a text and not in the certificate.
func (c *Certificate) checkStrays(root *zpl.Node) ([]zpl.Warning, error) {
	whole := c.nodes()
	keys := whole[slices.IndexFunc(whole, func(n *zpl.Node) bool { return n.Name == curveSection })]
	switch {
	case c.locked != nil:
		whole = append(whole, c.locked.node())
	case !c.Secret.IsZero():
		keys.Children = append(keys.Children, form.Property(form.SecretKey, "")) // its value is hidden
	}
	if n := c.Service.node(); n != nil {
		whole = append(whole, n)
	}
	return checkStrays(root, whole, c.isSigned() || c.locked != nil)
}

// keepPrivate keeps unknown sections of a secret certificate out of the public one: they
// could hold the secret of another mechanism.
func (c *Certificate) keepPrivate() (warnings []zpl.Warning) {
	if c.Secret.IsZero() && c.locked == nil {
		return nil
	}
	c.private = true
	if c.isSigned() {
		return nil // what is signed is public
	}
	for _, n := range c.extra {
		warnings = append(warnings, zpl.Warning{Line: n.Line,
			Text: fmt.Sprintf("unknown section %s may be secret: it stays out of the public certificate", n.Name)})
	}
	return warnings
}

// parseKeys reads the section curve.
func (c *Certificate) parseKeys(section *zpl.Node) (err error) {
	var public, secret *zpl.Node
	for _, n := range section.Children {
		into := &public
		switch n.Name {
		case form.PublicKey:
		case form.SecretKey:
			into = &secret
		default:
			if err := form.CheckForeign(n); err != nil {
				return err
			}
			continue // a stray, which could belong to the secret
		}
		if *into != nil {
			return n.Error(form.ErrAmbiguous)
		}
		*into = n
		for _, child := range n.Children {
			if err := form.CheckForeign(child); err != nil {
				return err
			}
		}
	}
	if public == nil {
		return section.Error(errNoPublicKey)
	}
	if c.Public, err = curve.ParsePublicKey(public.Value); err != nil {
		return keyError(public, public.Value, err)
	}
	if secret == nil {
		return nil
	}
	if c.locked != nil {
		return secret.Error(fmt.Errorf("%w: %s in a file with a section locked", form.ErrProperty, form.SecretKey))
	}
	if c.Secret, err = curve.ParseSecretKey(secret.Hidden); err != nil {
		return keyError(secret, string(secret.Hidden), err)
	}
	if c.Secret.Public() != c.Public {
		c.Secret.Wipe()
		return secret.ValueError(errKeyPair)
	}
	return nil
}

// unwritable warns of values in a section that can be read but not written.
func unwritable(n *zpl.Node) (warnings []zpl.Warning) {
	if err := zpl.CheckValue(n.Value); err != nil {
		warnings = append(warnings, zpl.Warning{Line: n.Line, Text: fmt.Sprintf("%s: %v", n.Name, err)})
	}
	for _, child := range n.Children {
		warnings = append(warnings, unwritable(child)...)
	}
	return warnings
}

// keyError returns an error for a key that cannot be read, with what its text looks like.
func keyError(n *zpl.Node, text string, err error) error {
	if n.Cut && len(text) != 40 {
		err = fmt.Errorf("%w: %d characters before a #, which begins a comment: put the key in double quotes", errKey, len(text))
	} else if look := form.LookOf(text); look != "" {
		err = fmt.Errorf("%w: %s; expected 40 characters of Z85", errKey, look)
	} else if !errors.Is(err, curve.ErrPublicKey) {
		err = fmt.Errorf("%w: %w", errKey, err)
	}
	return n.ValueError(err)
}
