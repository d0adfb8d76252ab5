// Package cert reads and writes CURVE certificates: text files that hold one
// identity's keys and what is said of it. They are the files that czmq, pyzmq,
// goczmq and JeroMQ read and write, with sections that those pass over:
//
//	certificate
//	    version = "1"
//	metadata
//	    name = "alice"
//	curve
//	    public-key = "uB/<I$!V&zH3Pf^3yOtXUlMf6V!xQvTm&[e>Uf$Z"
//
// An identity has two of them. NAME.key is public; give it to whoever should
// know the key. NAME.key_secret holds the secret key too, and stays where it is
// used. There is no default place for either: the service says where.
//
// [Generate] makes an identity, [Certificate.Save] writes both its files, and
// [Load] reads one of either kind. [Certificate.Lock] puts the secret key under
// a passphrase.
//
// # Trust
//
// Two people who talk can compare a fingerprint. For more than a few, an
// [Authority] signs certificates with a [Validity] and metadata that it vouches
// for, and takes them back with a [RevocationList]. A [Checker] refuses what
// isn't to be trusted, and says why.
//
// # On the way
//
// [Armor] makes of a certificate a text for e-mail, and [Extract] finds any
// number of them in any text. [Envelope.Seal] encrypts one to its recipient.
//
// # What stays as it is
//
// Every file that a released version of this package has written will be read
// by all later ones, and by the programs named above. Sections that this
// version doesn't know survive a read and a write; those of a secret file stay in
// it, unless an authority has signed them. The format is specified in
// docs/spec/certificate.md.
package cert

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// SecretSuffix is what the name of a secret certificate's file has behind the
// name of the public one.
const SecretSuffix = "_secret"

var (
	// ErrNoPublicKey means that a text has no curve section with a public-key.
	ErrNoPublicKey error = kindError("not a certificate: no public-key in section curve")
	// ErrKey means that a key is not 40 characters of Z85. What it is wrapped
	// in says what it looks like, and never quotes it.
	ErrKey = errors.New("not a key")
	// ErrVersion means that a file has another version than 1.
	ErrVersion = errors.New("unsupported version")

	// errKeyPair means that the public key isn't that of the secret key. From outside
	// this looks like a wrong server key.
	errKeyPair     = errors.New("public key and secret key do not match")
	errNoSecretKey = errors.New("no secret key")
)

// Metadata is what a certificate says about its owner: names and values, in order. A
// name consists of letters, digits and $-_@.&+/, the last not at its ends, and compares
// case-insensitively. A value is UTF-8 without control characters and with at most one
// kind of quotes.
type Metadata []struct{ Name, Value string }

// Get returns the value of that name, whatever its case, or "" if there is none.
func (m Metadata) Get(name string) string {
	for _, p := range m {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}

// Set gives the property of that name, whatever its case, another value, or adds
// it at the end.
func (m *Metadata) Set(name, value string) {
	for i, p := range *m {
		if strings.EqualFold(p.Name, name) {
			(*m)[i].Value = value
			return
		}
	}
	*m = append(*m, struct{ Name, Value string }{name, value})
}

// Certificate is one identity.
type Certificate struct {
	Public   curve.PublicKey
	Secret   curve.SecretKey // zero in a public certificate, and in a locked one
	Locked   *Locked         // the secret key under a passphrase, or nil
	Metadata Metadata
	Validity Validity
	Serial   uint64 // the authority's number for it; 0 is none

	Authority AuthorityKey // who signed it; zero if nobody did
	Signature Signature    // see Authority.Sign and VerifySignature

	Warnings []Warning // what Load or Parse found odd; not a part of it

	extra   []*zpl.Node // sections that this version doesn't know
	private bool        // extra was read beside a secret key
}

// Warning is something in a certificate that works here and may not elsewhere.
type Warning struct {
	Line int // from 1; 0 if it is about the whole
	Text string
	Mode fs.FileMode // of a secret file that others can read; 0 if it is about something else
}

// Generate returns a certificate of this name with a new pair of keys. An empty name
// means none.
func Generate(name string) *Certificate {
	secret := curve.GenerateKey()
	return &Certificate{Public: secret.Public(), Secret: secret, Metadata: nameOnly(name)}
}

// nameOnly returns the metadata of an identity that has only a name, or not even that.
func nameOnly(name string) Metadata {
	if name == "" {
		return nil
	}
	return Metadata{{"name", name}}
}

// Name is what the metadata calls the identity, or "".
func (c *Certificate) Name() string {
	return c.Metadata.Get("name")
}

// check refuses what can't be written.
func (c *Certificate) check() error {
	if err := c.Public.Check(); err != nil {
		return err
	}
	if !c.Secret.IsZero() && c.Secret.Public() != c.Public {
		return errKeyPair
	}
	if err := c.Validity.check(); err != nil {
		return err
	}
	return form.CheckMetadata(c.Metadata)
}

// checkWhole is check of what isn't about to be signed.
func (c *Certificate) checkWhole() error {
	if !c.Authority.IsZero() && c.Signature.IsZero() {
		return ErrUnsigned
	}
	if !c.Authority.IsZero() && c.Authority.isWeak() {
		return ErrAuthorityKey
	}
	return c.check()
}
