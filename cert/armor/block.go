package armor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
)

// Mechanisms of ZMTP whose identities a block carries.
const (
	mechanismCurve = "CURVE"
	mechanismPlain = "PLAIN"
)

// The lines around a block.
const (
	beginMarker = "-----BEGIN ZEROMQ CERTIFICATE-----"
	endMarker   = "-----END ZEROMQ CERTIFICATE-----"
)

// Versions of the format.
const (
	currentVersion = "1.0"
	draftVersion   = "0.1"
)

// Values of Content-security.
const (
	securityClear    = "clear"
	securityPassword = "password"
	securitySealed   = "sealed"
	securitySigned   = "signed" // of the draft
)

var (
	errMechanism = errors.New("unknown mechanism")
	errVersion   = errors.New("unsupported version")
	errLimit     = errors.New("more than a block can have")
	errContent   = errors.New("invalid content")
	errDamaged   = errors.New("damaged in transit")
)

// A Block is a certificate or a login as text: headers that everyone can read, and a
// content that may be sealed to its recipient. Anyone with a block that is not sealed
// can change its headers and its content. The checksum is against accidents.
//
// A Block prints without its content. It must not be changed while another goroutine
// uses it.
type Block struct {
	// Comment is for people: at most 1024 characters of printable ASCII, without
	// repeated spaces, spaces at the ends, or a backslash at the end.
	Comment string
	// Extensions are headers of other programs. A name begins with X-, compares
	// case-insensitively, and has at most 64 letters, digits and hyphens. A value is
	// like a Comment, and not empty.
	Extensions cert.Metadata

	// SealedTo is the recipient's key, or zero if the block is not sealed.
	SealedTo curve.PublicKey
	// SealedBy is the sender's key, or zero if the sender is anonymous. The headers
	// claim it; Open proves it.
	SealedBy curve.PublicKey

	// Line and EndLine are the lines of BEGIN and END in the text that was read, from 1.
	Line, EndLine int

	version   string
	mechanism string
	content   *hidden.Bytes // the ZPL text, nil if it is sealed
	scheme    string        // by which the secret key in content is locked, or ""
	box       []byte        // the sealed content
}

// New returns a block with the public certificate of c.
func New(c *cert.Certificate) (*Block, error) {
	content, err := c.AppendPublic(nil)
	if err != nil {
		return nil, err
	}
	return newBlock(mechanismCurve, content)
}

// NewSecret returns a block with the secret certificate of c. Unless the secret key is
// locked, Seal the block before it leaves the machine.
func NewSecret(c *cert.Certificate) (*Block, error) {
	content, err := c.AppendSecret(nil)
	if err != nil {
		return nil, err
	}
	return newBlock(mechanismCurve, content)
}

// NewLogin returns a block with a login. Seal it before it leaves the machine.
func NewLogin(l *Login) (*Block, error) {
	content, err := l.text()
	if err != nil {
		return nil, named(err)
	}
	return newBlock(mechanismPlain, content)
}

// newBlock returns a block of the current version.
func newBlock(mechanism string, content []byte) (*Block, error) {
	b := &Block{version: currentVersion, mechanism: mechanism}
	if err := b.setContent(content); err != nil {
		return nil, named(err)
	}
	return b, nil
}

// setContent takes an unencrypted content, which must be one of the mechanism. It clears
// one that it does not keep.
func (b *Block) setContent(content []byte) error {
	err := b.parseContent(content)
	if err != nil {
		clear(content) // which could hold a secret
	}
	if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
		place.File = "content"
		return place
	}
	return err
}

func (b *Block) parseContent(content []byte) error {
	if len(content) > maxContent {
		return fmt.Errorf("%w: content of more than %d bytes", errLimit, maxContent)
	}
	scheme := ""
	switch b.mechanism {
	case mechanismCurve:
		c, err := cert.Parse(content)
		if err != nil {
			return err
		}
		c.Secret.Wipe()
		scheme, _ = c.Locked()
	case mechanismPlain:
		if _, err := ParseLogin(content); err != nil {
			return err
		}
	default:
		return checkMechanism(b.mechanism)
	}
	b.content, b.scheme = hidden.New(content), scheme
	return nil
}

func checkMechanism(mechanism string) error {
	if mechanism != mechanismCurve && mechanism != mechanismPlain {
		return fmt.Errorf("%w: expected %s or %s", errMechanism, mechanismCurve, mechanismPlain)
	}
	return nil
}

// IsSealed reports whether the content can be read only after Open.
func (b *Block) IsSealed() bool { return b.box != nil }

// Certificate returns the certificate in the block. The error is cert.ErrKind if the
// block holds a login. It is an error to call Certificate before Open if the block is
// sealed. A *cert.SyntaxError has a place in the content.
func (b *Block) Certificate() (*cert.Certificate, error) {
	if err := b.checkContent(mechanismCurve); err != nil {
		return nil, named(err)
	}
	return cert.Parse(b.content.Reveal())
}

// Login returns the login in the block. The error is cert.ErrKind if the block holds a
// certificate, and otherwise as for Certificate.
func (b *Block) Login() (*Login, error) {
	if err := b.checkContent(mechanismPlain); err != nil {
		return nil, named(err)
	}
	return ParseLogin(b.content.Reveal())
}

// checkContent returns an error for a block in which no content of the mechanism can be
// read.
func (b *Block) checkContent(mechanism string) error {
	switch {
	case b.IsSealed():
		return errSealed
	case b.content == nil:
		return fmt.Errorf("%w: empty block", errContent)
	case b.mechanism == mechanism:
		return nil
	case mechanism == mechanismPlain:
		return kindError("not a login: the block holds a certificate")
	}
	return kindError("not a certificate: the block holds a login")
}

// kindError is a cert.ErrKind, whose text says what was expected.
type kindError string

func (e kindError) Error() string        { return string(e) }
func (e kindError) Is(target error) bool { return target == cert.ErrKind }

// Append appends the text of the block to dst: ASCII in lines of at most 72 characters
// that end in LF. It returns an error, and dst unchanged, for a Comment or Extensions
// that cannot be written, for the zero Block, and for a sealed block of the draft of
// 2013, which must be opened first.
func (b *Block) Append(dst []byte) ([]byte, error) {
	h, err := b.headers()
	if err != nil {
		return dst, named(err)
	}
	content := b.box
	if !b.IsSealed() {
		content = b.content.Reveal()
	}
	out := append(dst, beginMarker+"\n"...)
	for n := range h.all {
		out = appendHeader(out, n)
	}
	out = appendHeader(out, header{name: headerNames[checksumHeader], value: h.checksum(content)})
	text := form.Encoding.AppendEncode(nil, content)
	defer clear(text)
	for line := range slices.Chunk(text, contentLine) {
		out = append(append(out, line...), '\n')
	}
	return append(out, endMarker+"\n"...), nil
}

// headers returns the headers of a block that can be written.
func (b *Block) headers() (*headers, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	h := new(headers)
	set := func(i int, value string) { h.set(header{name: headerNames[i], value: value}) }
	set(versionHeader, currentVersion)
	set(mechanismHeader, b.mechanism)
	switch {
	case b.IsSealed():
		set(securityHeader, securitySealed)
		if b.SealedBy != (curve.PublicKey{}) {
			set(byHeader, form.Encoding.EncodeToString(b.SealedBy[:]))
		}
		set(toHeader, form.Encoding.EncodeToString(b.SealedTo[:]))
	case b.scheme != "":
		set(securityHeader, securityPassword)
		set(passwordHeader, b.scheme)
	default:
		set(securityHeader, securityClear)
	}
	set(commentHeader, b.Comment)
	for _, x := range b.Extensions {
		h.others = append(h.others, header{name: x.Name, value: x.Value})
	}
	_, err := h.check()
	return h, err
}

// check returns an error for fields that do not make a block.
func (b *Block) check() error {
	switch {
	case b.IsSealed() && b.version == draftVersion:
		return fmt.Errorf("%w: sealed in version %s, which cannot be written: open it first", errVersion, draftVersion)
	case !b.IsSealed() && b.content == nil:
		return fmt.Errorf("%w: empty block", errContent)
	case b.IsSealed() && b.SealedTo == (curve.PublicKey{}):
		return fmt.Errorf("%w: SealedTo was cleared", errHeader)
	case len(b.Extensions) > maxHeaders-knownHeaders:
		return fmt.Errorf("%w: %d extensions, at most %d", errLimit, len(b.Extensions), maxHeaders-knownHeaders)
	}
	seen := map[string]bool{}
	for _, x := range b.Extensions {
		name := lowerName(x.Name)
		if !strings.HasPrefix(name, extensionPrefix) {
			return fmt.Errorf("%w: extension %q: its name does not begin with X-", errHeader, x.Name)
		}
		if seen[name] {
			return fmt.Errorf("%w: duplicate extension %q", errHeader, x.Name)
		}
		seen[name] = true
	}
	return nil
}
