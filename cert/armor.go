package cert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/curve"
)

// Mechanisms whose identities an Envelope carries, by their names in ZMTP.
const (
	MechanismCurve = "CURVE"
	MechanismPlain = "PLAIN"
)

// The lines around a block.
const (
	beginMarker = "-----BEGIN ZEROMQ CERTIFICATE-----"
	endMarker   = "-----END ZEROMQ CERTIFICATE-----"
)

// Versions of the armored form.
const (
	armorVersion = "1.0"
	draftVersion = "0.1"
)

// Values of Content-security.
const (
	securityClear    = "clear"
	securityPassword = "password"
	securitySealed   = "sealed"
	securitySigned   = "signed" // of the draft
)

// Characters of a line that is written.
const (
	maxArmorLine = 72
	contentLine  = 64
)

var (
	// ErrMechanism means that an envelope, or the content of one, is of another
	// mechanism than wanted, or of neither CURVE nor PLAIN.
	ErrMechanism = errors.New("wrong mechanism")
	// ErrArmorLimit means that a block has more than 64 headers or more than
	// MaxFile octets of content.
	ErrArmorLimit = errors.New("more than a block may have")
	// ErrContent means that an envelope has no content, or that the lines of one
	// of version 0.1 aren't those of the draft.
	ErrContent = errors.New("unusable content")
)

// Envelope is a certificate, or credentials of the mechanism PLAIN, on the way
// from one to another: headers in clear, and a content that may be sealed to
// its recipient. Armor and ArmorPlain make one, Append writes it as a text that
// survives mail, ParseEnvelope and Extract read it.
//
// The headers of an envelope that isn't sealed can be changed by whoever has it
// in hands, as its content can. The checksum is against accidents.
//
// An Envelope prints without its content.
type Envelope struct {
	Version   string // "1.0", or "0.1" if read in the form of 2013; written as 1.0 always
	Mechanism string // MechanismCurve or MechanismPlain

	// Comment is for people: at most 1024 printable ASCII characters, without
	// two blanks in a row, a blank at its ends or a backslash at its end.
	Comment string
	// Extensions are headers of others. Their names begin with X-, compare
	// case-insensitively and have at most 64 letters, digits and hyphens; their
	// values are as a Comment, and not empty.
	Extensions Metadata

	SealedTo curve.PublicKey // zero if it isn't sealed
	SealedBy curve.PublicKey // zero if it isn't sealed, or by nobody known

	content *hidden // the ZPL text, nil if it is sealed
	scheme  string  // by which the secret in content is locked, or ""
	box     []byte  // the sealed content
}

// Armor puts a certificate in an envelope: the public one, or the secret one if
// secret is true. Unless that is locked, it must not be sent in clear: Seal it.
// Errors are those of AppendPublic and AppendSecret.
func Armor(c *Certificate, secret bool) (*Envelope, error) {
	text := c.AppendPublic
	if secret {
		text = c.AppendSecret
	}
	content, err := text(nil)
	if err != nil {
		return nil, err
	}
	return newEnvelope(MechanismCurve, content)
}

// ArmorPlain puts PLAIN credentials in an envelope. They hold a password: Seal
// it before it is sent. The error is ErrProperty or ErrMetadata for what can't
// be written, and ErrArmorLimit.
func ArmorPlain(p *Plain) (*Envelope, error) {
	content, err := p.text()
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	return newEnvelope(MechanismPlain, content)
}

// newEnvelope makes an envelope of the version that is written.
func newEnvelope(mechanism string, content []byte) (*Envelope, error) {
	e := &Envelope{Version: armorVersion, Mechanism: mechanism}
	if err := e.setContent(content); err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	return e, nil
}

// setContent takes a content in clear, which must be one of the mechanism.
func (e *Envelope) setContent(content []byte) error {
	err := e.parseContent(content)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		syntax.File = "content"
	}
	if errors.Is(err, ErrNoPublicKey) {
		err = fmt.Errorf("%w: %w", ErrMechanism, err)
	}
	return err
}

func (e *Envelope) parseContent(content []byte) error {
	if len(content) > MaxFile {
		return fmt.Errorf("%w: content of more than %d octets", ErrArmorLimit, MaxFile)
	}
	scheme := ""
	switch e.Mechanism {
	case MechanismCurve:
		c, err := Parse(content)
		if err != nil {
			return err
		}
		c.Secret.Wipe()
		if c.Locked != nil {
			scheme = c.Locked.Scheme()
		}
	case MechanismPlain:
		if _, err := ParsePlain(content); err != nil {
			return err
		}
	default:
		return checkMechanism(e.Mechanism)
	}
	e.content, e.scheme = hide(content), scheme
	return nil
}

// checkMechanism refuses one that isn't known here.
func checkMechanism(mechanism string) error {
	if mechanism != MechanismCurve && mechanism != MechanismPlain {
		return fmt.Errorf("%w: want %s or %s", ErrMechanism, MechanismCurve, MechanismPlain)
	}
	return nil
}

// IsSealed reports whether the content can be read only after Open.
func (e *Envelope) IsSealed() bool { return e.box != nil }

// Certificate returns the certificate in an envelope of the mechanism CURVE,
// with what Parse warns of. The error is ErrSealed, ErrMechanism, or a
// *SyntaxError with a place in the content.
func (e *Envelope) Certificate() (*Certificate, error) {
	if err := e.checkClear(MechanismCurve); err != nil {
		return nil, err
	}
	return Parse(e.content.reveal())
}

// Plain returns the credentials in an envelope of the mechanism PLAIN. The error
// is ErrSealed, ErrMechanism, or a *SyntaxError with a place in the content.
func (e *Envelope) Plain() (*Plain, error) {
	if err := e.checkClear(MechanismPlain); err != nil {
		return nil, err
	}
	return ParsePlain(e.content.reveal())
}

// checkClear refuses an envelope in which no content of the mechanism can be read.
func (e *Envelope) checkClear(mechanism string) error {
	if e.IsSealed() {
		return fmt.Errorf("cert: %w", ErrSealed)
	}
	if e.Mechanism != mechanism {
		return fmt.Errorf("cert: %w: %q, not %s", ErrMechanism, e.Mechanism, mechanism)
	}
	return nil
}

// Append appends the armored text to dst: ASCII in lines of at most 72
// characters that end in LF. The error is ErrHeader or ErrMechanism for what
// the fields can't be, ErrArmorLimit for too many extensions, ErrContent for an
// Envelope that neither Armor nor a reader made, and ErrVersion for a sealed one
// of version 0.1, which must be opened first; dst then comes back unchanged.
func (e *Envelope) Append(dst []byte) ([]byte, error) {
	h, err := e.headers()
	if err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	content := e.box
	if !e.IsSealed() {
		content = e.content.reveal()
	}
	out := append(dst, beginMarker+"\n"...)
	for n := range h.all {
		out = appendHeader(out, n)
	}
	out = appendHeader(out, header{name: headerNames[checksumHeader], value: h.checksum(content)})
	text := encoding.AppendEncode(nil, content)
	defer clear(text)
	for line := range slices.Chunk(text, contentLine) {
		out = append(append(out, line...), '\n')
	}
	return append(out, endMarker+"\n"...), nil
}

// headers are those of an envelope that can be written.
func (e *Envelope) headers() (*headers, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	h := new(headers)
	set := func(i int, value string) { h.set(header{name: headerNames[i], value: value}) }
	set(versionHeader, armorVersion)
	set(mechanismHeader, e.Mechanism)
	switch {
	case e.IsSealed():
		set(securityHeader, securitySealed)
		if e.SealedBy != (curve.PublicKey{}) {
			set(byHeader, encoding.EncodeToString(e.SealedBy[:]))
		}
		set(toHeader, encoding.EncodeToString(e.SealedTo[:]))
	case e.scheme != "":
		set(securityHeader, securityPassword)
		set(passwordHeader, e.scheme)
	default:
		set(securityHeader, securityClear)
	}
	set(commentHeader, e.Comment)
	for _, x := range e.Extensions {
		h.others = append(h.others, header{name: x.Name, value: x.Value})
	}
	_, err := h.check()
	return h, err
}

// check refuses what isn't for headers to say.
func (e *Envelope) check() error {
	if err := checkMechanism(e.Mechanism); err != nil {
		return err
	}
	hasTo, hasBy := e.SealedTo != (curve.PublicKey{}), e.SealedBy != (curve.PublicKey{})
	switch {
	case e.IsSealed() && e.Version == draftVersion:
		return fmt.Errorf("%w: what was sealed in version %s can't be written in another: open it first", ErrVersion, draftVersion)
	case !e.IsSealed() && e.content == nil:
		return fmt.Errorf("%w: there is none", ErrContent)
	case hasTo != e.IsSealed() || hasBy && !hasTo:
		return fmt.Errorf("%w: SealedTo and SealedBy are what Seal makes them", ErrHeader)
	case len(e.Extensions) > maxHeaders-knownHeaders:
		return fmt.Errorf("%w: %d extensions, at most %d", ErrArmorLimit, len(e.Extensions), maxHeaders-knownHeaders)
	}
	seen := map[string]bool{}
	for _, x := range e.Extensions {
		name := lowerName(x.Name)
		if !strings.HasPrefix(name, extensionPrefix) {
			return fmt.Errorf("%w: extension %q: its name doesn't begin with X-", ErrHeader, x.Name)
		}
		if seen[name] {
			return fmt.Errorf("%w: extension %q stands twice", ErrHeader, x.Name)
		}
		seen[name] = true
	}
	return nil
}
