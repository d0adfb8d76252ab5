// Package form holds the common parts of the texts of certificates, authorities,
// revocation lists and logins: sections of properties in ZPL, metadata, base64, and
// bounds. Packages cert and cert/armor use it.
package form

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/internal/zpl"
)

// Names of the keys in a section curve.
const (
	PublicKey = "public-key"
	SecretKey = "secret-key"
)

var (
	// ErrProperty means that a property is misplaced, missing or duplicate, or that its
	// value is invalid.
	ErrProperty = errors.New("invalid property")
	// ErrSection means that a known section is duplicate.
	ErrSection = errors.New("duplicate section")
	// ErrAmbiguous means that a line that begins with public-key or secret-key is outside
	// the section curve, or a duplicate. Some programs read such a line as the key
	// wherever it is, and would use a different key than this package.
	ErrAmbiguous = errors.New("ambiguous: some programs would read this line as the key")
)

// Property returns a property for a text.
func Property(name, value string) *zpl.Node {
	return &zpl.Node{Name: name, Value: value, HasValue: true}
}

// Secret returns a property whose value is a secret, without quotes in it. The caller
// clears it.
func Secret(name string, value []byte) *zpl.Node {
	return &zpl.Node{Name: name, Hidden: value, HasValue: true}
}

// Properties returns the properties of a section by name, with nil for a missing one. It
// refuses other properties, because an unknown one could change the meaning of the
// section.
func Properties(section *zpl.Node, names ...string) ([]*zpl.Node, error) {
	values := make([]*zpl.Node, len(names))
	if section.HasValue {
		return nil, section.ValueError(fmt.Errorf("%w: section %s cannot have a value", ErrProperty, section.Name))
	}
	for _, n := range section.Children {
		if err := CheckForeign(n); err != nil {
			return nil, err
		}
		i := slices.Index(names, n.Name)
		switch {
		case i < 0:
			return nil, n.Error(fmt.Errorf("%w: %s is not allowed in section %s", ErrProperty, n.Name, section.Name))
		case values[i] != nil:
			return nil, n.Error(fmt.Errorf("%w: duplicate %s", ErrProperty, n.Name))
		case len(n.Children) > 0:
			return nil, n.Children[0].Error(fmt.Errorf("%w: properties within %s", ErrProperty, n.Name))
		}
		values[i] = n
	}
	return values, nil
}

// AllProperties is like Properties, but none may be missing.
func AllProperties(section *zpl.Node, names ...string) ([]*zpl.Node, error) {
	values, err := Properties(section, names...)
	if i := slices.Index(values, nil); err == nil && i >= 0 {
		err = section.Error(fmt.Errorf("%w: section %s has no %s", ErrProperty, section.Name, names[i]))
	}
	return values, err
}

// CheckSections returns an error if one of these sections is duplicate.
func CheckSections(root *zpl.Node, names ...string) error {
	seen := make([]bool, len(names))
	for _, n := range root.Children {
		i := slices.Index(names, n.Name)
		if i < 0 {
			continue
		}
		if seen[i] {
			return n.Error(ErrSection)
		}
		seen[i] = true
	}
	return nil
}

// CheckForeign returns an error for a property in which another program could see a
// key.
func CheckForeign(n *zpl.Node) error {
	if looksLikeKey(n.Name) {
		return n.Error(ErrAmbiguous)
	}
	for _, child := range n.Children {
		if err := CheckForeign(child); err != nil {
			return err
		}
	}
	return nil
}

// looksLikeKey reports whether pyzmq would read a line that begins with name as a key.
func looksLikeKey(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, PublicKey) || strings.HasPrefix(name, SecretKey)
}

// Encoding is the base64 of all texts: without padding, and one text for each value.
var Encoding = base64.RawStdEncoding.Strict()

// Decode decodes text to dst, and reports whether text is the base64 of that many bytes.
func Decode[T string | []byte](dst []byte, text T) bool {
	if len(text) != Encoding.EncodedLen(len(dst)) {
		return false // package base64 would ignore line ends
	}
	n, err := Encoding.Decode(dst, []byte(text))
	return err == nil && n == len(dst)
}

// ParseBytes decodes a property in base64 to dst, whether its value is hidden or not.
func ParseBytes(dst []byte, n *zpl.Node) error {
	if !Decode(dst, n.Hidden) && !Decode(dst, n.Value) {
		return n.ValueError(fmt.Errorf("%w: %s: expected %d characters of base64 without padding",
			ErrProperty, n.Name, Encoding.EncodedLen(len(dst))))
	}
	return nil
}
