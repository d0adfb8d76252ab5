package cert

import (
	"crypto/ed25519"
	"fmt"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
	"github.com/zcurve/zcurve/internal/zpl"
)

// Comments at the top of an authority's files.
var (
	authorityComments = []string{
		"ZeroMQ Authority",
		"Give this file to anyone who should trust the certificates it signs.",
	}
	authoritySecretComments = []string{
		"ZeroMQ Authority **Secret**",
		"Keep this file private, and off the machines that run services.",
	}
)

// ParseAuthority reads an authority, public or secret. The error is a *SyntaxError, and
// also ErrKind if the text is not an authority at all.
func ParseAuthority(text []byte) (*Authority, error) {
	a, warnings, err := parseText(text, form.MaxFile, parseAuthority)
	if err != nil {
		return nil, named(err)
	}
	a.Warnings = warnings
	return a, nil
}

func parseAuthority(root *zpl.Node) (*Authority, []zpl.Warning, error) {
	key := root.Child(authoritySection)
	if n := root.Child(curveSection); n != nil {
		return nil, nil, n.Error(&sentence{"not an authority: this is a certificate", ErrKind})
	}
	if n := root.Child(revocationsSection); n != nil {
		return nil, nil, n.Error(&sentence{"not an authority: this is a revocation list", ErrKind})
	}
	if key == nil {
		return nil, nil, &zpl.Error{Line: 1, Column: 1, Err: errNoAuthority}
	}
	a := new(Authority)
	var warnings []zpl.Warning
	if err := form.CheckSections(root, headSection, metadataSection, authoritySection, lockedSection); err != nil {
		return nil, nil, err
	}
	for _, n := range root.Children {
		var err error
		switch n.Name {
		case headSection:
			_, err = headProperties(n)
		case metadataSection:
			a.Metadata, warnings, err = form.ParseMetadata(n)
		case authoritySection: // last, as it must fit the others
		case lockedSection:
			a.locked, err = parseLocked(n)
		default:
			err = n.Error(fmt.Errorf("%w: section %s is not allowed in an authority", form.ErrProperty, n.Name))
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := a.parseKeys(key); err != nil {
		return nil, nil, err
	}
	more, err := a.checkStrays(root)
	return a, append(warnings, more...), err
}

// checkStrays looks for what is in a text and not in the authority.
func (a *Authority) checkStrays(root *zpl.Node) ([]zpl.Warning, error) {
	whole := a.nodes()
	switch {
	case a.locked != nil:
		whole = append(whole, a.locked.node())
	case a.seed != nil:
		keys := whole[len(whole)-1]
		keys.Children = append(keys.Children, form.Property(seedName, "")) // its value is hidden
	}
	return checkStrays(root, whole, a.locked != nil)
}

// parseKeys reads the section authority of an authority's file.
func (a *Authority) parseKeys(section *zpl.Node) error {
	values, err := form.Properties(section, "key", seedName)
	if err != nil {
		return err
	}
	key, seed := values[0], values[1]
	if key == nil {
		return section.Error(errNoAuthority)
	}
	if a.Key, err = parseAuthorityKey(key.Value); err != nil {
		return key.ValueError(err)
	}
	if seed == nil {
		return nil
	}
	if a.locked != nil {
		return seed.Error(fmt.Errorf("%w: seed in a file with a section locked", form.ErrProperty))
	}
	bytes := make([]byte, ed25519.SeedSize)
	if err := form.ParseBytes(bytes, seed); err != nil {
		return err
	}
	a.seed = hidden.New(bytes)
	if a.public() != a.Key {
		clear(bytes)
		return seed.ValueError(errSeed)
	}
	return nil
}

// nodes returns the sections of the public file.
func (a *Authority) nodes() []*zpl.Node {
	return []*zpl.Node{head(0), form.MetadataNode(a.Metadata),
		{Name: authoritySection, Children: []*zpl.Node{form.Property("key", a.Key.String())}}}
}

// check returns an error for an authority that cannot be written.
func (a *Authority) check() error {
	if a.Key == (AuthorityKey{}) {
		return errNoAuthority
	}
	if a.Key.isWeak() {
		return errAuthorityKey
	}
	if a.seed != nil && a.public() != a.Key {
		return errSeed
	}
	return form.CheckMetadata(a.Metadata)
}

// publicText returns what must not change while the secret key is locked.
func (a *Authority) publicText() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	canonical := *a
	canonical.Metadata = form.Canonical(a.Metadata)
	return form.Append(nil, nil, canonical.nodes(), form.MaxFile)
}

// AppendPublic appends the text of the public file to dst. It returns an error, and dst
// unchanged, for an authority without a Key, or one that cannot be written.
func (a *Authority) AppendPublic(dst []byte) ([]byte, error) {
	out, err := a.appendPublic(dst)
	return out, named(err)
}

func (a *Authority) appendPublic(dst []byte) ([]byte, error) {
	if err := a.check(); err != nil {
		return dst, err
	}
	return form.Append(dst, authorityComments, a.nodes(), form.MaxFile)
}

// AppendSecret appends the text of the secret file to dst, locked or not. It returns an
// error, and dst unchanged, for an authority without a secret key, or one that cannot be
// written.
func (a *Authority) AppendSecret(dst []byte) ([]byte, error) {
	out, err := a.appendSecret(dst)
	return out, named(err)
}

func (a *Authority) appendSecret(dst []byte) ([]byte, error) {
	if err := a.check(); err != nil {
		return dst, err
	}
	nodes := a.nodes()
	switch {
	case a.locked != nil:
		nodes = append(nodes, a.locked.node())
	case a.seed != nil:
		seed := form.Encoding.AppendEncode(nil, a.seed.Reveal())
		defer clear(seed)
		keys := nodes[len(nodes)-1]
		keys.Children = append(keys.Children, form.Secret(seedName, seed))
	default:
		return dst, errNoSeed
	}
	return form.Append(dst, authoritySecretComments, nodes, form.MaxFile)
}

// Save writes the public file to path and the secret file to path with SecretSuffix, as
// Certificate.Save does.
func (a *Authority) Save(path string, options ...SaveOption) error {
	return named(savePair(path, options, a.appendPublic, a.appendSecret))
}

// SaveSecret writes the secret file alone, as Certificate.SaveSecret does.
func (a *Authority) SaveSecret(path string, options ...SaveOption) error {
	return named(saveOne(path, secretMode, options, a.appendSecret))
}
