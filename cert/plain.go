package cert

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"

	"github.com/zcurve/zcurve/internal/zpl"
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
	Username string   // UTF-8 of at most 255 octets, as a Property's value
	Password Password // the same
	Metadata Metadata
}

// check refuses what can't be written.
func (p *Plain) check() error {
	for _, v := range []struct{ name, value string }{{usernameName, p.Username}, {passwordName, p.Password.Text()}} {
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
			property(passwordName, p.Password.Text()),
		}},
	})
}

// parsePlain reads what text writes. The error is a *SyntaxError.
func parsePlain(text []byte) (*Plain, error) {
	p, _, err := parseText(text, parsePlainSections)
	return p, err
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
				p.Username, p.Password = values[0].Value, NewPassword(values[1].Value)
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

// Password is a password of the mechanism PLAIN. The zero value is the empty
// one. It prints as "[secret]" under every verb, in JSON and in slog, and as an
// address where it is an unexported field of something else.
type Password struct{ text *hidden }

// NewPassword makes a password of its text.
func NewPassword(text string) Password { return Password{hide([]byte(text))} }

// Text returns the password. It is the only way to get it out.
func (p Password) Text() string { return string(p.text.reveal()) }

// Equal reports whether both are the same password, in a time that tells
// nothing of them but their lengths.
func (p Password) Equal(q Password) bool {
	return subtle.ConstantTimeCompare(p.text.reveal(), q.text.reveal()) == 1
}

const redacted = "[secret]"

// String returns "[secret]".
func (Password) String() string { return redacted }

// Format writes "[secret]" whatever the verb.
func (Password) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[secret]"; the error is always nil. There is no
// UnmarshalText on purpose.
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[secret]".
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }
