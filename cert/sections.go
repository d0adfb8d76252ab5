package cert

import (
	"fmt"
	"strconv"

	"github.com/zcurve/zcurve/internal/form"
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

// head is the section that says what version a file is.
func head(serial uint64) *zpl.Node {
	section := &zpl.Node{Name: headSection, Children: []*zpl.Node{form.Property("version", version)}}
	if serial != 0 {
		section.Children = append(section.Children, form.Property("serial", strconv.FormatUint(serial, 10)))
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
	return form.Properties(section, append(names, "version")...)
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
		return 0, n.ValueError(fmt.Errorf("%w: %s: want a number from 1 to 2^64-1", form.ErrProperty, n.Name))
	}
	return serial, nil
}

// node is the section locked, or nil.
func (l *Locked) node() *zpl.Node {
	if l == nil {
		return nil
	}
	return &zpl.Node{Name: lockedSection, Children: []*zpl.Node{
		form.Property("scheme", l.Scheme()),
		form.Property("salt", form.Encoding.EncodeToString(l.salt[:])),
		form.Property("box", form.Encoding.EncodeToString(append(l.box[:], l.sum()...))),
	}}
}

// parseLocked reads the section locked.
func parseLocked(section *zpl.Node) (*Locked, error) {
	values, err := form.AllProperties(section, "scheme", "salt", "box")
	if err != nil {
		return nil, err
	}
	l := new(Locked)
	if l.parameters, err = parseScheme(values[0].Value); err != nil {
		return nil, values[0].ValueError(err)
	}
	if err := form.ParseBytes(l.salt[:], values[1]); err != nil {
		return nil, err
	}
	var box [lockBoxSize + lockSumSize]byte
	if err := form.ParseBytes(box[:], values[2]); err != nil {
		return nil, err
	}
	if err := l.setBox(box[:]); err != nil {
		return nil, values[2].ValueError(err)
	}
	return l, nil
}

// signatureNode is the section authority of what is signed, or of what is to be
// signed, which has no signature.
func signatureNode(k AuthorityKey, s Signature) *zpl.Node {
	section := &zpl.Node{Name: authoritySection, Children: []*zpl.Node{form.Property("key", k.String())}}
	if !s.IsZero() {
		section.Children = append(section.Children, form.Property("signature", s.String()))
	}
	return section
}

// parseSignature reads the section authority of what is signed.
func parseSignature(section *zpl.Node) (k AuthorityKey, s Signature, err error) {
	values, err := form.AllProperties(section, "key", "signature")
	if err != nil {
		return k, s, err
	}
	if k, err = ParseAuthorityKey(values[0].Value); err != nil {
		return k, s, values[0].ValueError(err)
	}
	if err = form.ParseBytes(s[:], values[1]); err == nil && s.IsZero() {
		err = values[1].ValueError(fmt.Errorf("%w: %s: all zero", form.ErrProperty, values[1].Name))
	}
	return k, s, err
}
