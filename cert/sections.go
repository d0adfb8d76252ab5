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
	serviceSection     = "service"
	revocationsSection = "revocations"

	plainSection   = "plain"   // of package cert/armor
	revokedSection = "revoked" // of package keystore
)

// seedName is the property with an authority's secret key.
const seedName = "seed"

// version is the version of the format.
const version = "1"

// head returns the section with the version of a file.
func head(serial uint64) *zpl.Node {
	section := &zpl.Node{Name: headSection, Children: []*zpl.Node{form.Property("version", version)}}
	if serial != 0 {
		section.Children = append(section.Children, form.Property("serial", strconv.FormatUint(serial, 10)))
	}
	return section
}

// headProperties returns the named properties of the section with the version of a file,
// which must have no others. A file without that section, as other programs write it, has
// version 1.
func headProperties(section *zpl.Node, names ...string) ([]*zpl.Node, error) {
	// The version comes first: another one may have properties that are unknown here.
	if v := section.Child("version"); v != nil && v.Value != version {
		return nil, v.ValueError(fmt.Errorf("%w: %q (this release reads %q)", errVersion, v.Value, version))
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
		return 0, n.ValueError(fmt.Errorf("%w: %s: expected a number from 1 to 2^64-1", form.ErrProperty, n.Name))
	}
	return serial, nil
}

// signatureNode returns the section authority of a signed text, or of one to be signed,
// which has no signature.
func signatureNode(k AuthorityKey, s signatureBytes) *zpl.Node {
	section := &zpl.Node{Name: authoritySection, Children: []*zpl.Node{form.Property("key", k.String())}}
	if !s.isZero() {
		section.Children = append(section.Children, form.Property("signature", form.Encoding.EncodeToString(s[:])))
	}
	return section
}

// parseSignature reads the section authority of a signed text.
func parseSignature(section *zpl.Node) (k AuthorityKey, s signatureBytes, err error) {
	values, err := form.AllProperties(section, "key", "signature")
	if err != nil {
		return k, s, err
	}
	if k, err = parseAuthorityKey(values[0].Value); err != nil {
		return k, s, values[0].ValueError(err)
	}
	if err = form.ParseBytes(s[:], values[1]); err == nil && s.isZero() {
		err = values[1].ValueError(fmt.Errorf("%w: %s: all zero", form.ErrProperty, values[1].Name))
	}
	return k, s, err
}

// signatureError returns an error at the place of the signature, which parseSignature has
// read.
func signatureError(section *zpl.Node, err error) error {
	return section.Child("signature").ValueError(err)
}
