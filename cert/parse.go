package cert

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/zpl"
)

// SyntaxError is what is wrong with a certificate, and where.
type SyntaxError struct {
	File         string // "" if it is not known
	Line, Column int    // from 1, in bytes; Column is 0 if it is not known
	Err          error
}

func (e *SyntaxError) Error() string {
	switch {
	case e.File == "" && e.Column == 0:
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	case e.File == "":
		return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap returns the fault: ErrKey, ErrNoPublicKey and the others of this
// package, curve.ErrPublicKey, or a fault of the text.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Parse reads a certificate, public or secret. The error is a *SyntaxError. The
// warnings are for whoever looks after the file. A signature is read and not
// verified: that is for a Checker.
func Parse(text []byte) (*Certificate, error) {
	c, warnings, err := parseText(text, form.MaxFile, parse)
	if err != nil {
		return nil, err
	}
	c.Warnings = warnings
	return c, nil
}

// parseText reads a text of at most limit bytes whose sections parse understands.
func parseText[T any](text []byte, limit int, parse func(root *zpl.Node) (*T, []zpl.Warning, error)) (*T, []Warning, error) {
	if len(text) > limit {
		return nil, nil, named(&SyntaxError{Line: 1, Column: 1, Err: fmt.Errorf("%w %d bytes", regular.ErrTooLarge, limit)})
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
		return nil, nil, named(&SyntaxError{Line: place.Line, Column: place.Column, Err: place.Err})
	}
	if err != nil {
		return nil, nil, err
	}
	var all []Warning
	for _, w := range warnings {
		all = append(all, Warning{Line: w.Line, Text: w.Text})
	}
	return parsed, all, nil
}

// longLine warns of the first line that is too long for czmq, which ends lines with
// LF alone.
func longLine(text []byte) []zpl.Warning {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if n := len(bytes.TrimSuffix(line, []byte("\n"))); n > form.MaxLine {
			return []zpl.Warning{{Line: number, Text: fmt.Sprintf("a line of %d octets: czmq reads past the end of a file with more than %d", n, form.MaxLine)}}
		}
	}
	return nil
}

func parse(root *zpl.Node) (c *Certificate, warnings []zpl.Warning, err error) {
	if err := form.CheckSections(root, headSection, metadataSection, curveSection, lockedSection, validitySection, authoritySection); err != nil {
		return nil, nil, err
	}
	keys := root.Child(curveSection)
	if n := root.Child(form.PublicKey); n != nil && (keys == nil || keys.Child(form.PublicKey) == nil) {
		return nil, nil, n.Error(fmt.Errorf("%w: %s isn't in a section: put it below a line \"%s\", with 4 blanks in front of it",
			form.ErrProperty, form.PublicKey, curveSection))
	}
	if keys == nil {
		return nil, nil, &zpl.Error{Line: 1, Column: 1, Err: ErrNoPublicKey}
	}
	c = new(Certificate)
	for _, n := range root.Children {
		var more []zpl.Warning
		switch n.Name {
		case headSection:
			c.Serial, err = parseHead(n)
		case metadataSection:
			c.Metadata, more, err = form.ParseMetadata(n)
		case curveSection: // last: it must fit the others
		case lockedSection:
			c.Locked, err = parseLocked(n)
		case validitySection:
			c.Validity, err = parseValidity(n)
		case authoritySection:
			c.Authority, c.Signature, err = parseSignature(n)
		case "plain", revocationsSection, revokedSection:
			err = n.Error(fmt.Errorf("%w: a certificate has no section %s", form.ErrProperty, n.Name))
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
	case c.Locked != nil:
		whole = append(whole, c.Locked.node())
	case !c.Secret.IsZero():
		keys.Children = append(keys.Children, form.Property(form.SecretKey, "")) // its value is hidden
	}
	return checkStrays(root, whole, !c.Authority.IsZero() || c.Locked != nil)
}

// keepPrivate keeps unknown sections that were read beside a secret key out of the
// public certificate: they could hold the secret of another mechanism.
func (c *Certificate) keepPrivate() (warnings []zpl.Warning) {
	if c.Secret.IsZero() && c.Locked == nil {
		return nil
	}
	c.private = true
	if !c.Authority.IsZero() {
		return nil // what is signed is public
	}
	for _, n := range c.extra {
		warnings = append(warnings, zpl.Warning{Line: n.Line,
			Text: fmt.Sprintf("section %s isn't known here and may be secret: it stays out of the public certificate", n.Name)})
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
			continue // a stray: it could belong to the secret
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
		return section.Error(ErrNoPublicKey)
	}
	if c.Public, err = curve.ParsePublicKey(public.Value); err != nil {
		return keyError(public, public.Value, err)
	}
	if secret == nil {
		return nil
	}
	if c.Locked != nil {
		return secret.Error(fmt.Errorf("%w: %s beside a section locked", form.ErrProperty, form.SecretKey))
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

// unwritable warns of values in a section that can be read and not written.
func unwritable(n *zpl.Node) (warnings []zpl.Warning) {
	if err := zpl.CheckValue(n.Value); err != nil {
		warnings = append(warnings, zpl.Warning{Line: n.Line, Text: fmt.Sprintf("%s: %v", n.Name, err)})
	}
	for _, child := range n.Children {
		warnings = append(warnings, unwritable(child)...)
	}
	return warnings
}

// keyError says of a key that can't be read what its text looks like.
func keyError(n *zpl.Node, text string, err error) error {
	if n.Cut && len(text) != 40 {
		err = fmt.Errorf("%w: %d characters in front of a #, which begins a comment: put the key in double quotes", ErrKey, len(text))
	} else if kind := lookOf(text); kind != "" {
		err = fmt.Errorf("%w: %s expected 40 characters of Z85", ErrKey, kind)
	} else if !errors.Is(err, curve.ErrPublicKey) {
		err = fmt.Errorf("%w: %w", ErrKey, err)
	}
	return n.ValueError(err)
}

// lookOf says what a key that isn't 40 characters of Z85 looks like, or "".
func lookOf(s string) string {
	switch _, err := hex.DecodeString(s); {
	case s == "":
		return "nothing:"
	case len(s) == 64 && err == nil:
		return "64 characters: hexadecimal?"
	case isBase64(strings.TrimRight(s, "=")):
		return fmt.Sprintf("%d characters: base64?", len(s))
	case len(s) != 40:
		return fmt.Sprintf("%d characters:", len(s))
	}
	return ""
}

// isBase64 reports whether s, without its padding, is 32 octets in base64 of
// either alphabet.
func isBase64(s string) bool {
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(s); err == nil && len(b) == curve.KeySize {
			return true
		}
	}
	return false
}
