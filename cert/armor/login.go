package armor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/zap"
)

// Names in the text of a login.
const (
	metadataSection = "metadata"
	plainSection    = "plain"
	usernameName    = "username"
	passwordName    = "password"
)

var loginComments = []string{
	"ZeroMQ PLAIN **Secret** Credentials",
	"Keep this file private.",
}

// A Login is a user name and a password of the mechanism PLAIN, which sends both
// unencrypted (RFC 24). Both are UTF-8 of at most 255 bytes, without control characters
// and with at most one kind of quotes. A Login prints without its password.
type Login struct {
	Username string
	Password zap.Password
	Metadata cert.Metadata
	Warnings []cert.Warning // what LoadLogin or ParseLogin found odd; not a part of it
}

// LoadLogin reads a login from a file, as cert.Load reads a certificate.
func LoadLogin(path string) (*Login, error) {
	text, mode, err := regular.Read(path, maxContent)
	if err != nil {
		return nil, named(err)
	}
	defer clear(text)
	l, err := ParseLogin(text)
	if err != nil {
		if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
			place.File = path
		}
		return nil, err
	}
	if warning := regular.ModeWarning(path, mode, passwordName); warning != "" {
		l.Warnings = append(l.Warnings, cert.Warning{Text: warning, Mode: mode})
	}
	return l, nil
}

// ParseLogin reads a login. The error is a *cert.SyntaxError, and also cert.ErrKind if
// the text is no login at all.
func ParseLogin(text []byte) (*Login, error) {
	l, err := parseLogin(text)
	if place, ok := errors.AsType[*zpl.Error](err); ok {
		err = &cert.SyntaxError{Line: place.Line, Column: place.Column, Err: place.Err}
	}
	if err != nil {
		return nil, named(err)
	}
	return l, nil
}

func parseLogin(text []byte) (*Login, error) {
	if len(text) > maxContent {
		return nil, &zpl.Error{Line: 1, Column: 1, Err: fmt.Errorf("%w %d bytes", regular.ErrTooLarge, maxContent)}
	}
	root, warnings, err := zpl.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := form.CheckSections(root, metadataSection, plainSection); err != nil {
		return nil, err
	}
	credentials := root.Child(plainSection)
	if credentials == nil {
		return nil, &zpl.Error{Line: 1, Column: 1, Err: kindError("not a login: no section " + plainSection)}
	}
	l := new(Login)
	for _, section := range root.Children {
		switch section.Name {
		case metadataSection:
			var more []zpl.Warning
			l.Metadata, more, err = form.ParseMetadata(section)
			warnings = append(warnings, more...)
		case plainSection:
			var values []*zpl.Node
			if values, err = form.AllProperties(section, usernameName, passwordName); err == nil {
				l.Username, l.Password = values[0].Value, zap.NewPassword(values[1].Value)
			}
		default:
			err = section.Error(fmt.Errorf("%w: section %s is not allowed in PLAIN credentials", form.ErrProperty, section.Name))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := l.check(); err != nil {
		return nil, credentials.Error(err)
	}
	for _, w := range warnings {
		l.Warnings = append(l.Warnings, cert.Warning{Line: w.Line, Text: w.Text})
	}
	return l, nil
}

// check returns an error for a login that cannot be written.
func (l *Login) check() error {
	for _, v := range []struct{ name, value string }{{usernameName, l.Username}, {passwordName, l.Password.Reveal()}} {
		if len(v.value) > maxLogin {
			return fmt.Errorf("%w: %s: %d bytes, at most %d", form.ErrProperty, v.name, len(v.value), maxLogin)
		}
		if err := zpl.CheckValue(v.value); err != nil {
			return fmt.Errorf("%w: %s: %w", form.ErrProperty, v.name, err)
		}
	}
	return form.CheckMetadata(l.Metadata)
}

// text returns the ZPL text.
func (l *Login) text() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return zpl.Append(nil, loginComments, []*zpl.Node{
		form.MetadataNode(l.Metadata),
		{Name: plainSection, Children: []*zpl.Node{
			form.Property(usernameName, l.Username),
			form.Property(passwordName, l.Password.Reveal()),
		}},
	})
}

// Append appends the text of the login to dst. It returns an error, and dst unchanged,
// for a login that cannot be written.
func (l *Login) Append(dst []byte) ([]byte, error) {
	text, err := l.text()
	if err != nil {
		return dst, named(err)
	}
	defer clear(text)
	return append(dst, text...), nil
}

// Save writes the login to path, as cert.Certificate.SaveSecret writes a secret
// certificate.
func (l *Login) Save(path string, options ...cert.SaveOption) error {
	text, err := l.text()
	if err != nil {
		return named(err)
	}
	defer clear(text)
	write := atomicfile.Create
	if slices.Contains(options, cert.Replace) {
		write = atomicfile.Replace
	}
	return named(write(atomicfile.File{Path: path, Data: text, Mode: 0o600}))
}
