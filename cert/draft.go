package cert

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/z85"
	"github.com/zcurve/zcurve/zap"
)

// Version 0.1 is that of "ZeroMQ Certificates, Design Iteration 1" of October
// 2013. It is read, and never written. The draft leaves open what the frames of
// CURVE are and where the nonce of a signed content stands. This is our reading:
//
//   - CURVE: metadata, public key, secret key, both in Z85; the last may be
//     missing or empty;
//   - signed: the nonce of 24 octets, and then the box.

// noFrame is how an empty frame stands on a line.
const noFrame = "-"

// parseDraft reads a block of version 0.1 from the content on.
func (d *dearmorer) parseDraft() (*Envelope, error) {
	e, err := d.envelope(draftVersion)
	if err != nil {
		return nil, err
	}
	for _, i := range []int{passwordHeader, checksumHeader} {
		if d.headers.value(i) != "" {
			return nil, d.headerError(i, ErrHeader, "not in version "+draftVersion)
		}
	}
	by, to := d.headers.value(byHeader), d.headers.value(toHeader)
	switch security := d.headers.value(securityHeader); {
	case security == securityPassword:
		return nil, d.headerError(securityHeader, ErrVersion, "passwords of version "+draftVersion+" aren't read")
	case by != "" && to != "" && (security == securitySigned || security == ""):
		content, err := d.readSigned()
		if err != nil {
			return nil, err
		}
		return e, d.setBox(e, content, curve.ParsePublicKey)
	case security == securityClear && by == "" && to == "":
		return e, d.readDraftClear(e)
	case security == "" && by == "" && to == "":
		return nil, d.headerError(securityHeader, ErrHeader, "missing")
	}
	return nil, d.headerError(securityHeader, ErrHeader,
		"want clear, or signed with Content-signed-by and Content-signed-to")
}

// readDraftClear reads the lines that are left as a content in clear.
func (d *dearmorer) readDraftClear(e *Envelope) error {
	frames, err := d.frames()
	if err != nil {
		return err
	}
	return e.setFrames(frames)
}

// setDraftText takes a content in clear as one text: its lines with LF ends.
func (e *Envelope) setDraftText(text []byte) error {
	if bytes.IndexByte(text, '\r') >= 0 {
		return fmt.Errorf("%w: a carriage return", ErrContent)
	}
	d := dearmorer{lines: lineReader{text: text}}
	return d.readDraftClear(e)
}

// frames reads the lines that are left.
func (d *dearmorer) frames() (frames []string, err error) {
	d.fault = d.lines.line
	for line := d.lines.next(); line != nil; line = d.lines.next() {
		d.fault = d.lines.line
		if len(frames) == 3 {
			return nil, fmt.Errorf("%w: more than 3 lines", ErrContent)
		}
		frame, err := d.lines.unfold(line, MaxFile)
		if err != nil {
			return nil, err
		}
		if string(frame) == noFrame {
			frame = nil
		}
		frames = append(frames, string(frame))
	}
	return frames, nil
}

// setFrames takes a content as the draft has it, and makes it one of today.
func (e *Envelope) setFrames(frames []string) error {
	wrong := fmt.Errorf("%w: %d lines, want metadata, user name and password", ErrContent, len(frames))
	if e.Mechanism == MechanismCurve {
		wrong = fmt.Errorf("%w: %d lines, want metadata, public and secret key", ErrContent, len(frames))
	}
	if len(frames) < 2 || e.Mechanism == MechanismPlain && len(frames) < 3 {
		return wrong
	}
	metadata, err := parseDraftMetadata(frames[0])
	if err != nil {
		return err
	}
	var text []byte
	if e.Mechanism == MechanismPlain {
		p := &Plain{Username: frames[1], Password: zap.NewPassword(frames[2]), Metadata: metadata}
		text, err = p.text()
	} else {
		text, err = draftCertificate(metadata, frames[1:])
	}
	if err != nil {
		return err
	}
	return e.setContent(text)
}

// draftCertificate is the text of the certificate with these keys.
func draftCertificate(metadata Metadata, keys []string) ([]byte, error) {
	c := &Certificate{Metadata: metadata}
	var err error
	if c.Public, err = curve.ParsePublicKey(keys[0]); err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrKey, err)
	}
	text := c.AppendPublic
	if len(keys) > 1 && keys[1] != "" {
		if c.Secret, err = curve.ParseSecretKey(keys[1]); err != nil {
			return nil, fmt.Errorf("%w: secret key: %w", ErrKey, err)
		}
		defer c.Secret.Wipe()
		text = c.AppendSecret
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return text(nil)
}

// parseDraftMetadata reads name=value;name=value.
func parseDraftMetadata(frame string) (m Metadata, err error) {
	if frame == "" {
		return nil, nil
	}
	for pair := range strings.SplitSeq(frame, ";") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%w: want name=value;name=value", ErrMetadata)
		}
		m = append(m, struct{ Name, Value string }{name, value})
	}
	return m, nil
}

// readSigned reads the lines that are left as nonce and box: their length, that
// with padding, and their digest on the first line, and Z85 on the second.
func (d *dearmorer) readSigned() ([]byte, error) {
	frames, err := d.frames()
	if err != nil {
		return nil, err
	}
	if len(frames) != 2 {
		return nil, fmt.Errorf("%w: %d lines, want one of length and digest and one of Z85", ErrContent, len(frames))
	}
	fields := strings.Fields(frames[0])
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: want length, length with padding, and digest", ErrContent)
	}
	exact, err1 := strconv.ParseUint(fields[0], 10, 31)
	padded, err2 := strconv.ParseUint(fields[1], 10, 31)
	if err := errors.Join(err1, err2); err != nil || exact > MaxFile || padded != (exact+3)/4*4 {
		return nil, fmt.Errorf("%w: the lengths", ErrContent)
	}
	octets, err := z85.AppendDecoded(nil, frames[1])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTransit, err)
	}
	if uint64(len(octets)) != padded {
		return nil, fmt.Errorf("%w: %d octets, want %d", errTransit, len(octets), padded)
	}
	content, padding := octets[:exact], octets[exact:]
	if len(bytes.Trim(padding, "\x00")) > 0 {
		return nil, fmt.Errorf("%w: padding that isn't zero", errTransit)
	}
	digest, err := hex.DecodeString(strings.ReplaceAll(fields[2], ":", ""))
	if err != nil || len(fields[2]) != 3*md5.Size-1 {
		return nil, fmt.Errorf("%w: want an MD5 of pairs of hexadecimal digits", ErrContent)
	}
	// MD5 keeps nobody from changing it; the box does.
	if sum := md5.Sum(content); !bytes.Equal(sum[:], digest) {
		return nil, fmt.Errorf("%w: it has another digest", errTransit)
	}
	return content, nil
}
