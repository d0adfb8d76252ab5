package cert

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/curve"
)

// maxHeaderLine bounds a header as it is read, in characters. One that fits and
// is longer than what is written gets an error that says so.
const maxHeaderLine = 4 << 10

// errTransit is ErrDamaged, of a block.
var errTransit = fmt.Errorf("%w in transit", ErrDamaged)

// parse reads the block. The error is an *ArmorError.
func (b block) parse() (*Envelope, error) {
	if b.fault != "" {
		return nil, &ArmorError{b.line, fmt.Errorf("%w: %s", errTransit, b.fault)}
	}
	d := dearmorer{lines: b.lines}
	e, err := d.parse()
	if err != nil {
		return nil, &ArmorError{max(d.fault, b.line), err}
	}
	return e, nil
}

// dearmorer is the state within a block.
type dearmorer struct {
	lines   lineReader // still to be read
	headers headers
	fault   int // line of the fault, if there is one; 0 stands for BEGIN
}

func (d *dearmorer) parse() (*Envelope, error) {
	if err := d.readHeaders(); err != nil {
		return nil, err
	}
	if d.headers.value(versionHeader) == draftVersion {
		return d.parseDraft()
	}
	start := d.lines.line + 1
	content, err := d.readContent()
	if err != nil {
		return nil, err
	}
	// Before anything else is looked at: damage explains all other faults.
	switch d.headers.value(checksumHeader) {
	case d.headers.checksum(content):
	case "":
		return nil, d.headerError(checksumHeader, d.damaged(), "missing")
	default:
		return nil, d.headerError(checksumHeader, d.damaged(), "it isn't that of the headers and the content")
	}
	e, err := d.envelope(armorVersion)
	if err != nil {
		return nil, err
	}
	if d.headers.value(securityHeader) == securitySealed {
		return e, d.setBox(e, content, encodedKey)
	}
	d.fault = start
	if err := e.setContent(content); err != nil {
		return nil, err
	}
	return e, d.checkClear(e)
}

// readHeaders reads lines as long as they are headers.
func (d *dearmorer) readHeaders() error {
	for count := 0; ; count++ {
		ahead := d.lines
		line := ahead.next()
		if !bytes.Contains(line, []byte(": ")) {
			return nil
		}
		d.fault = ahead.line
		if count == maxHeaders {
			return fmt.Errorf("%w: more than %d headers", ErrArmorLimit, maxHeaders)
		}
		whole, err := ahead.unfold(line, maxHeaderLine)
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(string(whole), ": ")
		d.headers.set(header{name, strings.TrimLeft(value, " \t"), d.fault})
		d.lines = ahead
	}
}

// readContent decodes the lines that are left.
func (d *dearmorer) readContent() ([]byte, error) {
	var text []byte
	defer func() { clear(text) }()
	for line := d.lines.next(); line != nil; line = d.lines.next() {
		d.fault = d.lines.line
		if len(text)+len(line) > encoding.EncodedLen(MaxFile) {
			return nil, fmt.Errorf("%w: content of more than %d octets", ErrArmorLimit, MaxFile)
		}
		text = append(text, line...)
	}
	content, err := encoding.AppendDecode(nil, text)
	if err != nil {
		// The place in it is that in another text, and could be one of a secret.
		return nil, fmt.Errorf("%w: the content isn't base64 without padding", d.damaged())
	}
	return content, nil
}

// damaged is the error for what doesn't fit together: another version could
// make it of other things.
func (d *dearmorer) damaged() error {
	if version := d.headers.value(versionHeader); version != "" && version != armorVersion {
		return fmt.Errorf("%w, or of an %w %.20q", errTransit, ErrVersion, version)
	}
	return errTransit
}

// headerError makes an error of a header, which may be missing.
func (d *dearmorer) headerError(header int, err error, what string) error {
	d.fault = d.headers.known[header].line
	return fmt.Errorf("%w: %s: %s", err, headerNames[header], what)
}

// envelope makes an envelope without content of the headers.
func (d *dearmorer) envelope(version string) (*Envelope, error) {
	// In another version unknown headers are to be expected.
	switch d.headers.value(versionHeader) {
	case version:
	case "":
		return nil, d.headerError(versionHeader, ErrHeader, "missing")
	default:
		return nil, d.headerError(versionHeader, ErrVersion, fmt.Sprintf("want %s or %s", armorVersion, draftVersion))
	}
	if line, err := d.headers.check(); err != nil {
		d.fault = line
		return nil, err
	}
	e := &Envelope{
		Version:   version,
		Mechanism: d.headers.value(mechanismHeader),
		Comment:   d.headers.value(commentHeader),
	}
	for _, x := range d.headers.others {
		e.Extensions = append(e.Extensions, struct{ Name, Value string }{x.name, x.value})
	}
	d.fault = d.headers.known[mechanismHeader].line
	if e.Mechanism == "" {
		return nil, d.headerError(mechanismHeader, ErrHeader, "missing")
	}
	return e, checkMechanism(e.Mechanism)
}

// checkClear refuses headers that don't fit a content in clear.
func (d *dearmorer) checkClear(e *Envelope) error {
	security, scheme := d.headers.value(securityHeader), d.headers.value(passwordHeader)
	switch {
	case security == "":
		return d.headerError(securityHeader, ErrHeader, "missing")
	case security != securityClear && security != securityPassword:
		return d.headerError(securityHeader, ErrHeader,
			fmt.Sprintf("want %s, %s or %s", securityClear, securityPassword, securitySealed))
	case (security == securityPassword) != (e.scheme != ""):
		return d.headerError(securityHeader, ErrHeader, "the content has another")
	case scheme != e.scheme:
		return d.headerError(passwordHeader, ErrHeader, "the content has another")
	}
	for _, key := range []int{byHeader, toHeader} {
		if d.headers.value(key) != "" {
			return d.headerError(key, ErrHeader, "the content isn't sealed")
		}
	}
	return nil
}

// setBox takes a content that is sealed, with the keys in the headers.
func (d *dearmorer) setBox(e *Envelope, content []byte, parseKey func(string) (curve.PublicKey, error)) error {
	if d.headers.value(passwordHeader) != "" {
		return d.headerError(passwordHeader, ErrHeader, "not for a sealed content")
	}
	for _, key := range []struct {
		header int
		to     *curve.PublicKey
	}{{byHeader, &e.SealedBy}, {toHeader, &e.SealedTo}} {
		value := d.headers.value(key.header)
		if value == "" {
			continue
		}
		var err error
		if *key.to, err = parseKey(value); err != nil {
			d.fault = d.headers.known[key.header].line
			return fmt.Errorf("%w: %s: %w", ErrHeader, headerNames[key.header], err)
		}
	}
	if e.SealedTo == (curve.PublicKey{}) {
		return d.headerError(toHeader, ErrHeader, "missing")
	}
	if len(content) < nonceSize+box.Overhead {
		d.fault = d.headers.known[securityHeader].line
		return fmt.Errorf("%w: it is too short for one", ErrSeal)
	}
	e.box = content
	return nil
}

// encodedKey reads a public key as it stands in headers.
func encodedKey(value string) (key curve.PublicKey, err error) {
	if !decode(key[:], value) {
		return curve.PublicKey{}, fmt.Errorf("want %d characters of base64", encoding.EncodedLen(len(key)))
	}
	return key, key.Check()
}
