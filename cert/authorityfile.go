package cert

import (
	"crypto/ed25519"
	"fmt"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
	"github.com/zcurve/zcurve/internal/zpl"
)

// ErrNoAuthority means that a text has no section authority with a key, or an
// Authority no key.
var ErrNoAuthority error = kindError("not an authority: no key in section authority")

// Comments on top of an authority's files.
var (
	authorityComments = []string{
		"ZeroMQ Authority",
		"Give it to whoever should trust the certificates that it signs.",
	}
	authoritySecretComments = []string{
		"ZeroMQ Authority **Secret**",
		"Whoever has it can sign certificates. Keep it off the machines that run services.",
	}
)

// ParseAuthority reads an authority, public or secret. The error is a
// *SyntaxError.
func ParseAuthority(text []byte) (*Authority, error) {
	a, warnings, err := parseText(text, form.MaxFile, parseAuthority)
	if err != nil {
		return nil, err
	}
	a.Warnings = warnings
	return a, nil
}

// LoadAuthority reads an authority's file, as Load does a certificate's.
func LoadAuthority(path string) (*Authority, error) {
	a, mode, err := load(path, form.MaxFile, ParseAuthority)
	if err == nil && a.HasSecret() {
		a.Warnings = append(a.Warnings, modeWarnings(path, mode)...)
	}
	return a, err
}

func parseAuthority(root *zpl.Node) (*Authority, []zpl.Warning, error) {
	key := root.Child(authoritySection)
	if n := root.Child(curveSection); n != nil {
		return nil, nil, n.Error(kindError("not an authority: this is a certificate"))
	}
	if n := root.Child(revocationsSection); n != nil {
		return nil, nil, n.Error(kindError("not an authority: this is a revocation list"))
	}
	if key == nil {
		return nil, nil, &zpl.Error{Line: 1, Column: 1, Err: ErrNoAuthority}
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
		case authoritySection: // last: it must fit the others
		case lockedSection:
			a.Locked, err = parseLocked(n)
		default:
			err = n.Error(fmt.Errorf("%w: section %s", form.ErrProperty, n.Name))
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
	case a.Locked != nil:
		whole = append(whole, a.Locked.node())
	case a.seed != nil:
		keys := whole[len(whole)-1]
		keys.Children = append(keys.Children, form.Property(seedName, "")) // its value is hidden
	}
	return checkStrays(root, whole, a.Locked != nil)
}

// parseKeys reads the section authority of an authority's file.
func (a *Authority) parseKeys(section *zpl.Node) error {
	values, err := form.Properties(section, "key", seedName)
	if err != nil {
		return err
	}
	key, seed := values[0], values[1]
	if key == nil {
		return section.Error(ErrNoAuthority)
	}
	if a.Key, err = ParseAuthorityKey(key.Value); err != nil {
		return key.ValueError(err)
	}
	if seed == nil {
		return nil
	}
	if a.Locked != nil {
		return seed.Error(fmt.Errorf("%w: seed beside a section locked", form.ErrProperty))
	}
	octets := make([]byte, ed25519.SeedSize)
	if err := form.ParseBytes(octets, seed); err != nil {
		return err
	}
	a.seed = hidden.New(octets)
	if a.public() != a.Key {
		clear(octets)
		return seed.ValueError(ErrSeed)
	}
	return nil
}

// nodes are the sections of the public file.
func (a *Authority) nodes() []*zpl.Node {
	return []*zpl.Node{head(0), form.MetadataNode(a.Metadata),
		{Name: authoritySection, Children: []*zpl.Node{form.Property("key", a.Key.String())}}}
}

// check refuses what can't be written.
func (a *Authority) check() error {
	if a.Key.IsZero() {
		return ErrNoAuthority
	}
	if a.Key.isWeak() {
		return ErrAuthorityKey
	}
	return form.CheckMetadata(a.Metadata)
}

// publicText is what is fixed when the secret key is locked.
func (a *Authority) publicText() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	canonical := *a
	canonical.Metadata = form.Canonical(a.Metadata)
	return appendText(nil, nil, canonical.nodes(), form.MaxFile)
}

// AppendPublic appends the text of the public file to dst. The error is
// ErrNoAuthority if there is no Key, form.ErrMetadata, form.ErrLine or ErrFile; dst then
// comes back unchanged.
func (a *Authority) AppendPublic(dst []byte) ([]byte, error) {
	if err := a.check(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	return appendText(dst, authorityComments, a.nodes(), form.MaxFile)
}

// AppendSecret appends the text of the secret file to dst, locked or not, as
// AppendPublic does. Without a secret key it is ErrNoSeed.
func (a *Authority) AppendSecret(dst []byte) ([]byte, error) {
	if err := a.check(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	nodes := a.nodes()
	switch {
	case a.Locked != nil:
		nodes = append(nodes, a.Locked.node())
	case a.seed != nil:
		keys := nodes[len(nodes)-1]
		keys.Children = append(keys.Children, form.Property(seedName, form.Encoding.EncodeToString(a.seed.Reveal())))
	default:
		return dst, fmt.Errorf("cert: %w", ErrNoSeed)
	}
	return appendText(dst, authoritySecretComments, nodes, form.MaxFile)
}

// Save writes the public file to path and the secret one to path with
// SecretSuffix, as Certificate.Save does.
func (a *Authority) Save(path string, options ...SaveOption) error {
	return savePair(path, options, a.AppendPublic, a.AppendSecret)
}

// SaveSecret writes the secret file alone, as Certificate.SaveSecret does.
func (a *Authority) SaveSecret(path string, options ...SaveOption) error {
	return saveOne(path, secretMode, options, a.AppendSecret)
}
