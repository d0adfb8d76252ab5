package cert

import (
	"fmt"

	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/zap"
)

// Names in the text of PLAIN credentials.
const (
	plainSection = "plain"
	usernameName = "username"
	passwordName = "password"
)

// maxPlain is the most octets of a user name and of a password (RFC 24).
const maxPlain = 255

var plainComments = []string{
	"ZeroMQ PLAIN **Secret** Credentials",
	"Keep them where they are used, and show them to nobody.",
}

// Plain is an identity of the mechanism PLAIN: a user name and a password, which
// it sends in clear (RFC 24, RFC 27).
type Plain struct {
	Username string       // UTF-8 of at most 255 octets, as a Property's value
	Password zap.Password // the same
	Metadata Metadata
	Warnings []Warning // as of a Certificate
}

// check refuses what can't be written.
func (p *Plain) check() error {
	for _, v := range []struct{ name, value string }{{usernameName, p.Username}, {passwordName, p.Password.Reveal()}} {
		if len(v.value) > maxPlain {
			return fmt.Errorf("%w: %s: %d octets, at most %d", ErrProperty, v.name, len(v.value), maxPlain)
		}
		if err := zpl.CheckValue(v.value); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrProperty, v.name, err)
		}
	}
	return p.Metadata.check()
}

// text is the ZPL text. The error is ErrProperty or ErrMetadata.
func (p *Plain) text() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return zpl.Append(nil, plainComments, []*zpl.Node{
		metadataNode(p.Metadata),
		{Name: plainSection, Children: []*zpl.Node{
			property(usernameName, p.Username),
			property(passwordName, p.Password.Reveal()),
		}},
	})
}

// ParsePlain reads credentials of PLAIN. The error is a *SyntaxError.
func ParsePlain(text []byte) (*Plain, error) {
	p, warnings, err := parseText(text, MaxFile, parsePlainSections)
	if err != nil {
		return nil, err
	}
	p.Warnings = warnings
	return p, nil
}

func parsePlainSections(root *zpl.Node) (p *Plain, warnings []Warning, err error) {
	if err := checkSections(root, metadataSection, plainSection); err != nil {
		return nil, nil, err
	}
	credentials := root.Child(plainSection)
	if credentials == nil {
		return nil, nil, &zpl.Error{Line: 1, Column: 1, Err: fmt.Errorf("%w: no section %s", ErrMechanism, plainSection)}
	}
	p = new(Plain)
	for _, section := range root.Children {
		switch section.Name {
		case metadataSection:
			p.Metadata, warnings, err = parseMetadata(section)
		case plainSection:
			var values []*zpl.Node
			if values, err = allProperties(section, usernameName, passwordName); err == nil {
				p.Username, p.Password = values[0].Value, zap.NewPassword(values[1].Value)
			}
		default:
			err = section.Error(fmt.Errorf("%w: section %s isn't known in credentials", ErrProperty, section.Name))
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := p.check(); err != nil {
		return nil, nil, credentials.Error(err)
	}
	return p, warnings, nil
}

// hidden is octets that must not print, not even as an unexported field of
// something else, where fmt can't call methods. fmt shows a pointer in there as
// an address; but for a verb that doesn't fit (%s) it follows one. So what holds
// a hidden has a pointer to it, and it has another.
type hidden struct{ octets *[]byte }

// hide takes the octets, which the caller leaves alone from then on.
func hide(octets []byte) *hidden { return &hidden{&octets} }

// reveal returns the octets, nil if h is nil.
func (h *hidden) reveal() []byte {
	if h == nil {
		return nil
	}
	return *h.octets
}
