package armor

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
)

// parse reads the block. The error is a *cert.SyntaxError.
func (l *lines) parse() (*Block, error) {
	if l.damage != "" {
		return nil, errorAt(l.line, fmt.Errorf("%w: %s", errDamaged, l.damage))
	}
	p := parser{lines: l.between}
	b, err := p.parse()
	if err != nil {
		return nil, errorAt(max(p.fault, l.line), err)
	}
	return b, nil
}

// parser is the state within a block.
type parser struct {
	lines   lineReader // still to be read
	headers headers
	fault   int // the line to blame if there is an error; 0 means BEGIN
}

func (p *parser) parse() (*Block, error) {
	if err := p.readHeaders(); err != nil {
		return nil, err
	}
	if p.headers.value(versionHeader) == draftVersion {
		return p.parseDraft()
	}
	start := p.lines.line + 1
	content, err := p.readContent()
	if err != nil {
		return nil, err
	}
	// Before anything else is looked at: damage explains all other faults.
	switch p.headers.value(checksumHeader) {
	case p.headers.checksum(content):
	case "":
		return nil, p.headerError(checksumHeader, p.damaged(), "missing")
	default:
		return nil, p.headerError(checksumHeader, p.damaged(), "does not match the headers and the content")
	}
	b, err := p.block(currentVersion)
	if err != nil {
		return nil, err
	}
	if p.headers.value(securityHeader) == securitySealed {
		return b, p.setBox(b, content, encodedKey)
	}
	p.fault = start
	if err := b.setContent(content); err != nil {
		return nil, err
	}
	return b, p.checkClear(b)
}

// readHeaders reads lines while they are headers.
func (p *parser) readHeaders() error {
	for count := 0; ; count++ {
		ahead := p.lines
		line := ahead.next()
		if !bytes.Contains(line, []byte(": ")) {
			return nil
		}
		p.fault = ahead.line
		if count == maxHeaders {
			return fmt.Errorf("%w: more than %d headers", errLimit, maxHeaders)
		}
		whole, err := ahead.unfold(line, maxHeaderLine)
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(string(whole), ": ")
		p.headers.set(header{name, strings.TrimLeft(value, " \t"), p.fault})
		p.lines = ahead
	}
}

// readContent decodes the remaining lines.
func (p *parser) readContent() ([]byte, error) {
	var text []byte
	defer func() { clear(text) }()
	for line := p.lines.next(); line != nil; line = p.lines.next() {
		p.fault = p.lines.line
		if len(text)+len(line) > form.Encoding.EncodedLen(maxContent) {
			return nil, fmt.Errorf("%w: content of more than %d bytes", errLimit, maxContent)
		}
		text = append(text, line...)
	}
	content, err := form.Encoding.AppendDecode(nil, text)
	if err != nil {
		// The cause names a byte, which could be one of a secret.
		return nil, fmt.Errorf("%w: content is not valid base64", p.damaged())
	}
	return content, nil
}

// damaged is the error for a checksum that does not match: another version could
// compute it differently.
func (p *parser) damaged() error {
	if version := p.headers.value(versionHeader); version != "" && version != currentVersion {
		return fmt.Errorf("%w, or %w %.20q", errDamaged, errVersion, version)
	}
	return errDamaged
}

// headerError returns an error about a header, which may be missing.
func (p *parser) headerError(header int, err error, what string) error {
	p.fault = p.headers.known[header].line
	return fmt.Errorf("%w: %s: %s", err, headerNames[header], what)
}

// block returns a block without a content, as the headers describe it.
func (p *parser) block(version string) (*Block, error) {
	// The version comes first: another one may have headers that are unknown here.
	switch p.headers.value(versionHeader) {
	case version:
	case "":
		return nil, p.headerError(versionHeader, errHeader, "missing")
	default:
		return nil, p.headerError(versionHeader, errVersion, fmt.Sprintf("%.20q (this release reads %s and %s)", p.headers.value(versionHeader), currentVersion, draftVersion))
	}
	if line, err := p.headers.check(); err != nil {
		p.fault = line
		return nil, err
	}
	b := &Block{
		version:   version,
		mechanism: p.headers.value(mechanismHeader),
		Comment:   p.headers.value(commentHeader),
	}
	for _, x := range p.headers.others {
		b.Extensions = append(b.Extensions, struct{ Name, Value string }{x.name, x.value})
	}
	p.fault = p.headers.known[mechanismHeader].line
	if b.mechanism == "" {
		return nil, p.headerError(mechanismHeader, errHeader, "missing")
	}
	return b, checkMechanism(b.mechanism)
}

// checkClear returns an error for headers that do not match an unencrypted content.
func (p *parser) checkClear(b *Block) error {
	security, scheme := p.headers.value(securityHeader), p.headers.value(passwordHeader)
	switch {
	case security == "":
		return p.headerError(securityHeader, errHeader, "missing")
	case security != securityClear && security != securityPassword:
		return p.headerError(securityHeader, errHeader,
			fmt.Sprintf("expected %s, %s or %s", securityClear, securityPassword, securitySealed))
	case (security == securityPassword) != (b.scheme != ""):
		return p.headerError(securityHeader, errHeader, "does not match the content")
	case scheme != b.scheme:
		return p.headerError(passwordHeader, errHeader, "does not match the content")
	}
	for _, key := range []int{byHeader, toHeader} {
		if p.headers.value(key) != "" {
			return p.headerError(key, errHeader, "the content is not sealed")
		}
	}
	return nil
}

// setBox takes a sealed content, with the keys in the headers.
func (p *parser) setBox(b *Block, content []byte, parseKey func(string) (curve.PublicKey, error)) error {
	if p.headers.value(passwordHeader) != "" {
		return p.headerError(passwordHeader, errHeader, "not allowed for a sealed content")
	}
	for _, key := range []struct {
		header int
		to     *curve.PublicKey
	}{{byHeader, &b.SealedBy}, {toHeader, &b.SealedTo}} {
		value := p.headers.value(key.header)
		if value == "" {
			continue
		}
		var err error
		if *key.to, err = parseKey(value); err != nil {
			p.fault = p.headers.known[key.header].line
			return fmt.Errorf("%w: %s: %w", errHeader, headerNames[key.header], err)
		}
	}
	if b.SealedTo == (curve.PublicKey{}) {
		return p.headerError(toHeader, errHeader, "missing")
	}
	if len(content) < nonceSize+box.Overhead {
		p.fault = p.headers.known[securityHeader].line
		return fmt.Errorf("%w: content too short", errSeal)
	}
	b.box = content
	return nil
}

// encodedKey reads a public key as headers have it.
func encodedKey(value string) (key curve.PublicKey, err error) {
	if !form.Decode(key[:], value) {
		return curve.PublicKey{}, fmt.Errorf("expected %d characters of base64", form.Encoding.EncodedLen(len(key)))
	}
	return key, key.Check()
}
