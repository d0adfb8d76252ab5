package cert

import (
	"slices"
	"strings"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// Comments at the top of the files.
var (
	publicComments = []string{
		"ZeroMQ CURVE Public Certificate",
		"Give this file to anyone who needs this key.",
	}
	secretComments = []string{
		"ZeroMQ CURVE **Secret** Certificate",
		"Keep this file private.",
	}
)

// AppendPublic appends the text of the public certificate to dst. Sections of a secret
// certificate that this version does not know are left out unless they are signed, as
// they could be secret. It returns an error, and dst unchanged, for a certificate that
// Parse would refuse, such as one that was changed after it was signed.
func (c *Certificate) AppendPublic(dst []byte) ([]byte, error) {
	out, err := c.appendPublic(dst)
	return out, named(err)
}

func (c *Certificate) appendPublic(dst []byte) ([]byte, error) {
	if err := c.checkWhole(); err != nil {
		return dst, err
	}
	return form.Append(dst, publicComments, c.WithoutSecret().nodes(), form.MaxFile)
}

// AppendSecret appends the text of the secret certificate to dst, locked or not. It
// returns an error, and dst unchanged, for a certificate without a secret key, or one that
// Parse would refuse.
func (c *Certificate) AppendSecret(dst []byte) ([]byte, error) {
	out, err := c.appendSecret(dst)
	return out, named(err)
}

func (c *Certificate) appendSecret(dst []byte) ([]byte, error) {
	if err := c.checkWhole(); err != nil {
		return dst, err
	}
	nodes := c.nodes()
	i := slices.IndexFunc(nodes, func(n *zpl.Node) bool { return n.Name == curveSection })
	switch {
	case c.locked != nil && !c.Service.IsZero():
		return dst, errServiceLocked
	case c.locked != nil:
		nodes = slices.Insert(nodes, i+1, c.locked.node())
	case !c.Secret.IsZero():
		secret := c.Secret.AppendZ85(nil)
		defer clear(secret)
		nodes[i].Children = append(nodes[i].Children, form.Secret(form.SecretKey, secret))
	default:
		return dst, errNoSecretKey
	}
	if n := c.Service.node(); n != nil {
		nodes = append(nodes, n)
	}
	return form.Append(dst, secretComments, nodes, form.MaxFile)
}

// AppendCanonical appends the canonical text of the certificate to dst: all of it but the
// secret key and the signature, in one form for each meaning, whatever the order and
// spacing of the text that was read. It is what an authority signs. It returns an error,
// and dst unchanged, for a certificate that cannot be written.
func (c *Certificate) AppendCanonical(dst []byte) ([]byte, error) {
	out, err := c.appendCanonical(dst)
	return out, named(err)
}

func (c *Certificate) appendCanonical(dst []byte) ([]byte, error) {
	if err := c.checkFields(); err != nil {
		return dst, err
	}
	canonical := *c
	canonical.Metadata = form.Canonical(c.Metadata)
	canonical.signature = signatureBytes{}
	canonical.extra = slices.Clone(c.extra)
	slices.SortStableFunc(canonical.extra, func(a, b *zpl.Node) int { return strings.Compare(a.Name, b.Name) })
	return form.Append(dst, nil, canonical.nodes(), form.MaxFile)
}

// nodes returns the sections of the public certificate.
func (c *Certificate) nodes() []*zpl.Node {
	nodes := []*zpl.Node{head(c.Serial), form.MetadataNode(c.Metadata),
		{Name: curveSection, Children: []*zpl.Node{form.Property(form.PublicKey, c.Public.String())}}}
	if n := c.Validity.node(); n != nil {
		nodes = append(nodes, n)
	}
	if c.isSigned() {
		nodes = append(nodes, signatureNode(c.Authority, c.signature))
	}
	return append(nodes, c.extra...)
}
