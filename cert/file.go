package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/zpl"
)

// Comments on top of the files.
var (
	publicComments = []string{
		"ZeroMQ CURVE Public Certificate",
		"Give it to whoever should know this key.",
	}
	secretComments = []string{
		"ZeroMQ CURVE **Secret** Certificate",
		"Keep it where it is used, and show it to nobody.",
	}
)

// Load reads a certificate file, public or secret. The error is one of package fs, a
// *SyntaxError with the file's name, or that it isn't a regular file of at most 64 KiB.
// If the file holds a secret key that other users can read, a warning with its Mode says
// what to do. It leaves no copy of the secret key in memory but Certificate.Secret;
// writing one does.
func Load(path string) (*Certificate, error) {
	c, mode, err := load(path, form.MaxFile, Parse)
	if err == nil && !c.Secret.IsZero() {
		c.Warnings = append(c.Warnings, modeWarnings(path, mode)...)
	}
	return c, err
}

// load reads a file of at most limit bytes.
func load[T any](path string, limit int, parse func([]byte) (*T, error)) (t *T, mode fs.FileMode, err error) {
	text, mode, err := regular.Read(path, limit)
	if err != nil {
		return nil, 0, named(err)
	}
	defer clear(text)
	if t, err = parse(text); err == nil {
		return t, mode, nil
	}
	if place, ok := errors.AsType[*SyntaxError](err); ok {
		place.File = path
		return nil, 0, err
	}
	return nil, 0, fmt.Errorf("%s: %w", path, err)
}

// modeWarnings warns of a secret key that other users can read.
func modeWarnings(path string, mode fs.FileMode) []Warning {
	if text := regular.ModeWarning(path, mode, "secret key"); text != "" {
		return []Warning{{Text: text, Mode: mode}}
	}
	return nil
}

// AppendPublic appends the text of the public certificate to dst. The error is
// form.ErrMetadata, form.ErrProperty for a Validity that can't be, form.ErrLine, ErrFile for
// more than form.MaxFile octets, ErrUnsigned for an Authority without a Signature, or
// one of package curve for what can't be written; dst then comes back unchanged.
//
// Of a certificate that was read with its secret key, sections that this version
// doesn't know are left out unless they are signed: they could be secret.
func (c *Certificate) AppendPublic(dst []byte) ([]byte, error) {
	if err := c.checkWhole(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	public := *c
	if c.hasPrivate() {
		public.extra = nil
	}
	return appendText(dst, publicComments, public.nodes(), form.MaxFile)
}

// hasPrivate reports whether there are unknown sections that nobody has made public.
func (c *Certificate) hasPrivate() bool {
	return c.private && len(c.extra) > 0 && c.VerifySignature() != nil
}

// AppendSecret appends the text of the secret certificate to dst, locked or not,
// as AppendPublic does. A certificate without a secret key is an error:
// an error if there is no secret key.
func (c *Certificate) AppendSecret(dst []byte) ([]byte, error) {
	if err := c.checkWhole(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	nodes := c.nodes()
	i := slices.IndexFunc(nodes, func(n *zpl.Node) bool { return n.Name == curveSection })
	switch {
	case c.Locked != nil:
		nodes = slices.Insert(nodes, i+1, c.Locked.node())
	case !c.Secret.IsZero():
		nodes[i].Children = append(nodes[i].Children, form.Property(form.SecretKey, string(c.Secret.AppendZ85(nil))))
	default:
		return dst, fmt.Errorf("cert: %w", errNoSecretKey)
	}
	return appendText(dst, secretComments, nodes, form.MaxFile)
}

// AppendCanonical appends to dst the certificate without its secret key, in its one
// form: whatever the order and spacing in which it was read, and whoever wrote
// it. It is what an authority signs, and has everything but the signature
// itself. The error is that of AppendPublic but ErrUnsigned.
func (c *Certificate) AppendCanonical(dst []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	canonical := *c
	canonical.Metadata = form.Canonical(c.Metadata)
	canonical.Signature = Signature{}
	canonical.extra = slices.Clone(c.extra)
	slices.SortStableFunc(canonical.extra, func(a, b *zpl.Node) int { return strings.Compare(a.Name, b.Name) })
	return appendText(dst, nil, canonical.nodes(), form.MaxFile)
}

// nodes are the sections of the public certificate.
func (c *Certificate) nodes() []*zpl.Node {
	nodes := []*zpl.Node{head(c.Serial), form.MetadataNode(c.Metadata),
		{Name: curveSection, Children: []*zpl.Node{form.Property(form.PublicKey, c.Public.String())}}}
	if n := c.Validity.node(); n != nil {
		nodes = append(nodes, n)
	}
	if !c.Authority.IsZero() {
		nodes = append(nodes, signatureNode(c.Authority, c.Signature))
	}
	return append(nodes, c.extra...)
}

// appendText appends a text of at most limit bytes to dst, which can be read again. On
// an error, it returns dst unchanged.
func appendText(dst []byte, comments []string, nodes []*zpl.Node, limit int) ([]byte, error) {
	out, err := form.Append(dst, comments, nodes, limit)
	return out, named(err)
}
