package armor

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/z85"
	"github.com/zcurve/zcurve/zap"
)

// Version 0.1 is "ZeroMQ Certificates, Design Iteration 1" of October 2013. It is read,
// and never written. The draft does not say what the frames of CURVE are, nor where the
// nonce of a signed content is. This package expects:
//
//   - CURVE: metadata, public key, secret key, both in Z85; the last may be missing or
//     empty;
//   - signed: the nonce of 24 bytes, and then the box.

var errKey = errors.New("not a key")

// noFrame is the line of an empty frame.
const noFrame = "-"

// parseDraft reads a block of version 0.1 from the content on.
func (p *parser) parseDraft() (*Block, error) {
	b, err := p.block(draftVersion)
	if err != nil {
		return nil, err
	}
	for _, i := range []int{passwordHeader, checksumHeader} {
		if p.headers.value(i) != "" {
			return nil, p.headerError(i, errHeader, "not allowed in version "+draftVersion)
		}
	}
	by, to := p.headers.value(byHeader), p.headers.value(toHeader)
	switch security := p.headers.value(securityHeader); {
	case security == securityPassword:
		return nil, p.headerError(securityHeader, errVersion, "passwords of version "+draftVersion+" are not supported")
	case by != "" && to != "" && (security == securitySigned || security == ""):
		content, err := p.readSigned()
		if err != nil {
			return nil, err
		}
		return b, p.setBox(b, content, curve.ParsePublicKey)
	case security == securityClear && by == "" && to == "":
		return b, p.readDraftClear(b)
	case security == "" && by == "" && to == "":
		return nil, p.headerError(securityHeader, errHeader, "missing")
	}
	return nil, p.headerError(securityHeader, errHeader,
		"expected clear, or signed with Content-signed-by and Content-signed-to")
}

// readDraftClear reads the remaining lines as an unencrypted content.
func (p *parser) readDraftClear(b *Block) error {
	frames, err := p.frames()
	if err != nil {
		return err
	}
	return b.setFrames(frames)
}

// setDraftText takes an unencrypted content as one text, whose lines end in LF.
func (b *Block) setDraftText(text []byte) error {
	if bytes.IndexByte(text, '\r') >= 0 {
		return fmt.Errorf("%w: a carriage return", errContent)
	}
	p := parser{lines: lineReader{text: text}}
	return p.readDraftClear(b)
}

// frames reads the remaining lines.
func (p *parser) frames() (frames [][]byte, err error) {
	p.fault = p.lines.line
	for line := p.lines.next(); line != nil; line = p.lines.next() {
		p.fault = p.lines.line
		if len(frames) == 3 {
			return nil, fmt.Errorf("%w: more than 3 lines", errContent)
		}
		frame, err := p.lines.unfold(line, maxContent)
		if err != nil {
			return nil, err
		}
		if string(frame) == noFrame {
			frame = nil
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// setFrames takes a content in the form of the draft, and converts it to that of today.
func (b *Block) setFrames(frames [][]byte) error {
	wrong := fmt.Errorf("%w: %d lines, expected metadata, user name and password", errContent, len(frames))
	if b.mechanism == mechanismCurve {
		wrong = fmt.Errorf("%w: %d lines, expected metadata, public and secret key", errContent, len(frames))
	}
	if len(frames) < 2 || b.mechanism == mechanismPlain && len(frames) < 3 {
		return wrong
	}
	metadata, err := parseDraftMetadata(string(frames[0]))
	if err != nil {
		return err
	}
	var text []byte
	if b.mechanism == mechanismPlain {
		l := &Login{Username: string(frames[1]), Password: zap.NewPassword(string(frames[2])), Metadata: metadata}
		text, err = l.text()
	} else {
		text, err = draftCertificate(metadata, frames[1:])
	}
	if err != nil {
		return err
	}
	return b.setContent(text)
}

// draftCertificate returns the text of the certificate with these keys.
func draftCertificate(metadata cert.Metadata, keys [][]byte) ([]byte, error) {
	c := &cert.Certificate{Metadata: metadata}
	var err error
	if c.Public, err = curve.ParsePublicKey(string(keys[0])); err != nil {
		return nil, fmt.Errorf("%w: public key: %w", errKey, err)
	}
	appendText := c.AppendPublic
	if len(keys) > 1 && len(keys[1]) > 0 {
		if c.Secret, err = curve.ParseSecretKey(keys[1]); err != nil {
			return nil, fmt.Errorf("%w: secret key: %w", errKey, err)
		}
		defer c.Secret.Wipe()
		appendText = c.AppendSecret
	}
	text, err := appendText(nil)
	if err != nil {
		return nil, errors.Unwrap(err) // without the package's name in front
	}
	return text, nil
}

// parseDraftMetadata reads name=value;name=value.
func parseDraftMetadata(frame string) (m cert.Metadata, err error) {
	if frame == "" {
		return nil, nil
	}
	for pair := range strings.SplitSeq(frame, ";") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%w: expected name=value;name=value", form.ErrMetadata)
		}
		m = append(m, struct{ Name, Value string }{name, value})
	}
	return m, nil
}

// readSigned reads the remaining lines as nonce and box: their length, the length with
// padding, and their digest on the first line, and Z85 on the second.
func (p *parser) readSigned() ([]byte, error) {
	frames, err := p.frames()
	if err != nil {
		return nil, err
	}
	if len(frames) != 2 {
		return nil, fmt.Errorf("%w: %d lines, expected one of length and digest and one of Z85", errContent, len(frames))
	}
	fields := strings.Fields(string(frames[0]))
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: expected length, length with padding, and digest", errContent)
	}
	exact, err1 := strconv.ParseUint(fields[0], 10, 31)
	padded, err2 := strconv.ParseUint(fields[1], 10, 31)
	if err := errors.Join(err1, err2); err != nil || exact > maxContent || padded != (exact+3)/4*4 {
		return nil, fmt.Errorf("%w: invalid lengths", errContent)
	}
	decoded, err := z85.AppendDecoded(nil, string(frames[1]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if uint64(len(decoded)) != padded {
		return nil, fmt.Errorf("%w: %d bytes, expected %d", errDamaged, len(decoded), padded)
	}
	content, padding := decoded[:exact], decoded[exact:]
	if len(bytes.Trim(padding, "\x00")) > 0 {
		return nil, fmt.Errorf("%w: padding is not zero", errDamaged)
	}
	digest, err := hex.DecodeString(strings.ReplaceAll(fields[2], ":", ""))
	if err != nil || len(fields[2]) != 3*md5.Size-1 {
		return nil, fmt.Errorf("%w: expected an MD5 of pairs of hexadecimal digits", errContent)
	}
	// MD5 finds accidents only. The box finds changes.
	if sum := md5.Sum(content); !bytes.Equal(sum[:], digest) {
		return nil, fmt.Errorf("%w: the digest does not match", errDamaged)
	}
	return content, nil
}
