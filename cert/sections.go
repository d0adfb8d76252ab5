package cert

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

	"github.com/zcurve/zcurve/internal/zpl"
)

// Sections of the files.
const (
	headSection        = "certificate"
	metadataSection    = "metadata"
	curveSection       = "curve"
	lockedSection      = "locked"
	validitySection    = "validity"
	authoritySection   = "authority"
	revocationsSection = "revocations"
	revokedSection     = "revoked" // of package keystore
)

// seedName is that of an authority's secret key.
const seedName = "seed"

// version is that of the format.
const version = "1"

// property makes a property for a text.
func property(name, value string) *zpl.Node {
	return &zpl.Node{Name: name, Value: value, HasValue: true}
}

// properties returns the properties of a section by name, nil for one that is
// missing. There must be no others: what an unknown one would have meant here
// can't be passed over.
func properties(section *zpl.Node, names ...string) ([]*zpl.Node, error) {
	values := make([]*zpl.Node, len(names))
	if section.HasValue {
		return nil, section.ValueError(fmt.Errorf("%w: %s has no value of its own", ErrProperty, section.Name))
	}
	for _, n := range section.Children {
		if err := checkForeign(n); err != nil {
			return nil, err
		}
		i := slices.Index(names, n.Name)
		switch {
		case i < 0:
			return nil, n.Error(fmt.Errorf("%w: %s isn't known in section %s", ErrProperty, n.Name, section.Name))
		case values[i] != nil:
			return nil, n.Error(fmt.Errorf("%w: %s stands twice", ErrProperty, n.Name))
		case len(n.Children) > 0:
			return nil, n.Children[0].Error(fmt.Errorf("%w: properties within %s", ErrProperty, n.Name))
		}
		values[i] = n
	}
	return values, nil
}

// allProperties is properties of which none may be missing.
func allProperties(section *zpl.Node, names ...string) ([]*zpl.Node, error) {
	values, err := properties(section, names...)
	if i := slices.Index(values, nil); err == nil && i >= 0 {
		err = section.Error(fmt.Errorf("%w: section %s has no %s", ErrProperty, section.Name, names[i]))
	}
	return values, err
}

// head is the section that says what version a file is.
func head(serial uint64) *zpl.Node {
	section := &zpl.Node{Name: headSection, Children: []*zpl.Node{property("version", version)}}
	if serial != 0 {
		section.Children = append(section.Children, property("serial", strconv.FormatUint(serial, 10)))
	}
	return section
}

// headProperties returns properties of the section that says what version a file
// is, which must have no others. Files of other programs have no such section,
// which is version 1; an authority and a revocation list have only the version in
// it.
func headProperties(section *zpl.Node, names ...string) ([]*zpl.Node, error) {
	// Of another version nothing else is known.
	if v := section.Child("version"); v != nil && v.Value != version {
		return nil, v.ValueError(fmt.Errorf("%w: %q, want %q", ErrVersion, v.Value, version))
	}
	return properties(section, append(names, "version")...)
}

// parseHead reads the section certificate of a certificate.
func parseHead(section *zpl.Node) (serial uint64, err error) {
	values, err := headProperties(section, "serial")
	if err != nil || values[0] == nil {
		return 0, err
	}
	return parseSerial(values[0])
}

// parseSerial reads a serial number.
func parseSerial(n *zpl.Node) (uint64, error) {
	serial, err := strconv.ParseUint(n.Value, 10, 64)
	if err != nil || serial == 0 || strconv.FormatUint(serial, 10) != n.Value {
		return 0, n.ValueError(fmt.Errorf("%w: %s: want a number from 1 to 2^64-1", ErrProperty, n.Name))
	}
	return serial, nil
}

// encoding is how octets stand in files.
var encoding = base64.RawStdEncoding.Strict()

// decode fills dst from its one text, and reports whether it was that.
func decode[T string | []byte](dst []byte, text T) bool {
	if len(text) != encoding.EncodedLen(len(dst)) {
		return false // for one because of line ends, which are passed over
	}
	n, err := encoding.Decode(dst, []byte(text))
	return err == nil && n == len(dst)
}

// parseOctets fills dst from a property, hidden or not.
func parseOctets(dst []byte, n *zpl.Node) error {
	if !decode(dst, n.Hidden) && !decode(dst, n.Value) {
		return n.ValueError(fmt.Errorf("%w: %s: want %d characters of base64 without padding",
			ErrProperty, n.Name, encoding.EncodedLen(len(dst))))
	}
	return nil
}

// node is the section locked, or nil.
func (l *Locked) node() *zpl.Node {
	if l == nil {
		return nil
	}
	return &zpl.Node{Name: lockedSection, Children: []*zpl.Node{
		property("scheme", l.Scheme()),
		property("salt", encoding.EncodeToString(l.salt[:])),
		property("box", encoding.EncodeToString(append(l.box[:], l.sum()...))),
	}}
}

// parseLocked reads the section locked.
func parseLocked(section *zpl.Node) (*Locked, error) {
	values, err := allProperties(section, "scheme", "salt", "box")
	if err != nil {
		return nil, err
	}
	l := new(Locked)
	if l.parameters, err = parseScheme(values[0].Value); err != nil {
		return nil, values[0].ValueError(err)
	}
	if err := parseOctets(l.salt[:], values[1]); err != nil {
		return nil, err
	}
	var box [lockBoxSize + lockSumSize]byte
	if err := parseOctets(box[:], values[2]); err != nil {
		return nil, err
	}
	if err := l.setBox(box[:]); err != nil {
		return nil, values[2].ValueError(err)
	}
	return l, nil
}

// metadataNode is the section metadata.
func metadataNode(m Metadata) *zpl.Node {
	section := &zpl.Node{Name: metadataSection}
	for _, p := range m {
		section.Children = append(section.Children, property(p.Name, p.Value))
	}
	return section
}

// signatureNode is the section authority of what is signed, or of what is to be
// signed, which has no signature.
func signatureNode(k AuthorityKey, s Signature) *zpl.Node {
	section := &zpl.Node{Name: authoritySection, Children: []*zpl.Node{property("key", k.String())}}
	if !s.IsZero() {
		section.Children = append(section.Children, property("signature", s.String()))
	}
	return section
}

// parseSignature reads the section authority of what is signed.
func parseSignature(section *zpl.Node) (k AuthorityKey, s Signature, err error) {
	values, err := allProperties(section, "key", "signature")
	if err != nil {
		return k, s, err
	}
	if k, err = ParseAuthorityKey(values[0].Value); err != nil {
		return k, s, values[0].ValueError(err)
	}
	if err = parseOctets(s[:], values[1]); err == nil && s.IsZero() {
		err = values[1].ValueError(fmt.Errorf("%w: %s: all zero", ErrProperty, values[1].Name))
	}
	return k, s, err
}
