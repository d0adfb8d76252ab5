package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/zpl"
)

// What the names of files end with.
const (
	publicSuffix  = ".key"
	revokedSuffix = ".revoked"
)

// Names in the file of a revoked certificate.
const (
	revokedSection     = "revoked"
	timeName           = "time"
	reasonName         = "reason"
	certificateSection = "certificate"
)

// timeLayout is RFC 3339 in UTC and whole seconds.
const timeLayout = "2006-01-02T15:04:05Z"

// errRevoked means that a file isn't that of a revoked certificate.
var errRevoked = errors.New("want a section revoked with time, reason and certificate")

// readCertificate reads a certificate that is to be known, which must be sound.
func readCertificate(text []byte, path string, log *slog.Logger) (*cert.Certificate, error) {
	c, warnings, err := cert.Read(bytes.NewReader(text), path)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn("certificate: "+w.Text, "file", fmt.Sprintf("%s:%d", path, w.Line))
	}
	if !c.Secret.IsZero() || c.Locked != nil {
		log.Warn("certificate: it holds a secret key, which does not belong here: put the public certificate in its place", "file", path)
	}
	if err := c.VerifySignature(); err != nil && !errors.Is(err, cert.ErrUnsigned) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// revokedText is the file of a revoked certificate: its text is within it, such
// that no other program takes it for one that is valid.
func revokedText(id *Identity) ([]byte, error) {
	public, err := id.Certificate.AppendPublic(nil)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	root, _, err := zpl.Parse(public)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	property := func(name, value string) *zpl.Node { return &zpl.Node{Name: name, Value: value, HasValue: true} }
	section := &zpl.Node{Name: revokedSection, Children: []*zpl.Node{
		property(timeName, id.Revoked.Time.Format(timeLayout)),
		property(reasonName, id.Revoked.Reason),
		{Name: certificateSection, Children: root.Children},
	}}
	text, err := zpl.Append(nil, []string{"ZeroMQ CURVE Revoked Certificate", "Its owner is refused."}, []*zpl.Node{section})
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return text, nil
}

// parseRevoked reads what revokedText writes: the revocation, and the text of
// the certificate.
func parseRevoked(path string, text []byte) (*Revocation, []byte, error) {
	fail := func(n *zpl.Node, err error) error {
		return fmt.Errorf("%s:%d:%d: %w", path, n.Line, n.Column, err)
	}
	root, _, err := zpl.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s:%w", path, err)
	}
	section := root.Child(revokedSection)
	if section == nil {
		return nil, nil, fmt.Errorf("%s:1:1: %w", path, errRevoked)
	}
	at, reason, certificate := section.Child(timeName), section.Child(reasonName), section.Child(certificateSection)
	if at == nil || reason == nil || certificate == nil {
		return nil, nil, fail(section, errRevoked)
	}
	when, err := time.Parse(timeLayout, at.Value)
	if err != nil {
		return nil, nil, fail(at, errRevoked)
	}
	public, err := zpl.Append(nil, nil, certificate.Children)
	if err != nil {
		return nil, nil, fail(certificate, err)
	}
	return &Revocation{Time: when, Reason: reason.Value}, public, nil
}
