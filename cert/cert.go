// Package cert reads, writes, signs and verifies CURVE certificates. A certificate is a
// text file that holds an identity's public key and metadata and, if it is a secret
// certificate, its secret key. czmq and pyzmq read these files and ignore
// the sections they do not know:
//
//	certificate
//	    version = "1"
//	metadata
//	    name = "alice"
//	curve
//	    public-key = "uB/<I$!V&zH3Pf^3yOtXUlMf6V!xQvTm&[e>Uf$Z"
//
// An identity has two files. NAME.key is its public certificate, to give to anyone who
// needs the key. NAME.key_secret is its secret certificate and stays where it is used.
//
// [Generate] makes an identity, [Certificate.Save] writes both files, and [Load] reads
// either. [Certificate.Lock] encrypts the secret key with a passphrase. Package
// cert/armor writes certificates as text for email, and seals them to a recipient.
//
// # Trust
//
// Two people can compare a fingerprint, such as [curve.PublicKey.Fingerprint]. For more
// than a few, an [Authority] signs certificates, with metadata that it vouches for and a
// [Validity] period, and revokes them with a [RevocationList]. A [Checker] decides whether
// a certificate is trusted, and says why if it is not.
//
// # Stability
//
// Later versions of this package, and the programs named above, read every file that a
// released version has written. Sections that this version does not know survive reading
// and writing. Those of a secret certificate stay in it, unless an authority signed them.
// The format is specified in docs/spec/certificate.md.
package cert

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// SecretSuffix is appended to the name of a public certificate's file to name the file of
// the secret certificate.
const SecretSuffix = "_secret"

// Metadata describes the identity of a certificate: names and values, in order. A
// name consists of letters, digits and $-_@.&+/, without / at its ends, and compares
// case-insensitively. A value is UTF-8 without control characters and with at most one
// kind of quotes.
type Metadata []struct{ Name, Value string }

// Get returns the value with that name, or "" if m has no such name.
func (m Metadata) Get(name string) string {
	for _, p := range m {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}

// Set sets the value of that name. A new name comes last.
func (m *Metadata) Set(name, value string) {
	for i, p := range *m {
		if strings.EqualFold(p.Name, name) {
			(*m)[i].Value = value
			return
		}
	}
	*m = append(*m, struct{ Name, Value string }{name, value})
}

// A Certificate is one identity. Its methods other than Lock, Unlock and those of its
// fields may be called by several goroutines at once.
type Certificate struct {
	Public   curve.PublicKey
	Secret   curve.SecretKey // zero in a public certificate, and in a locked one
	Metadata Metadata
	Validity Validity
	Serial   uint64 // the authority's number for it; 0 means none

	// Authority is the key of the authority that signed the certificate, or zero. A
	// change of any public field makes the signature invalid.
	Authority AuthorityKey

	// Service is where the client connects, in a bundle. Only an unlocked secret certificate
	// can have one. It is neither public nor signed.
	Service Service

	// Warnings say what Load or Parse found odd. They are not a part of the certificate.
	Warnings []Warning

	signature signatureBytes
	locked    *lockedKey  // the secret key under a passphrase, or nil
	extra     []*zpl.Node // sections that this version does not know
	private   bool        // extra was read from a secret certificate
}

// A Warning is about something that works here and may not elsewhere.
type Warning struct {
	Line int // from 1; 0 if it is about the whole
	Text string
	Mode fs.FileMode // of a secret file that other users can read; 0 for other warnings
}

// Generate returns a certificate with this name and a new key pair. An empty name means
// none.
func Generate(name string) *Certificate {
	secret := curve.GenerateKey()
	return &Certificate{Public: secret.Public(), Secret: secret, Metadata: nameOnly(name)}
}

// nameOnly returns the metadata of an identity that has a name, or not even that.
func nameOnly(name string) Metadata {
	if name == "" {
		return nil
	}
	return Metadata{{"name", name}}
}

// Name returns the metadata property name, or "".
func (c *Certificate) Name() string { return c.Metadata.Get("name") }

// Locked returns the scheme by which the secret key is locked with a passphrase, such as
// "argon2id m=65536 t=3 p=4", and whether it is.
func (c *Certificate) Locked() (scheme string, ok bool) { return c.locked.scheme() }

// WithoutSecret returns a copy that is safe to give away: without the secret key, locked
// or not, without the Service, without the unknown sections of a secret certificate unless
// they are signed, and without Warnings.
func (c *Certificate) WithoutSecret() *Certificate {
	public := *c
	if c.hasPrivate() {
		public.extra = nil
	}
	public.Metadata = slices.Clone(c.Metadata) // a change of one would change the other
	public.Secret, public.locked, public.private, public.Warnings = curve.SecretKey{}, nil, false, nil
	public.Service = Service{}
	return &public
}

// hasPrivate reports whether there are unknown sections that nobody has made public.
func (c *Certificate) hasPrivate() bool {
	return c.private && len(c.extra) > 0 && c.verifySignature() != nil
}

// checkFields returns an error for a certificate that cannot be written.
func (c *Certificate) checkFields() error {
	if err := c.Public.Check(); err != nil {
		return err
	}
	if !c.Secret.IsZero() && c.Secret.Public() != c.Public {
		return errKeyPair
	}
	if err := cmp.Or(c.Validity.checkTimes(), c.Service.check()); err != nil {
		return err
	}
	return form.CheckMetadata(c.Metadata)
}

// checkWhole is checkFields, and also returns an error for a signature that Parse would
// refuse.
func (c *Certificate) checkWhole() error {
	if c.isSigned() && c.signature.isZero() {
		return errUnsigned
	}
	if c.isSigned() && c.Authority.isWeak() {
		return errAuthorityKey
	}
	if err := c.checkFields(); err != nil || !c.isSigned() {
		return err
	}
	return c.verifySignature()
}

// isSigned reports whether the certificate names an authority.
func (c *Certificate) isSigned() bool { return c.Authority != AuthorityKey{} }
