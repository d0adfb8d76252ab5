package cert

import (
	"errors"
	"fmt"
)

// The errors on which a program acts. All other errors of this package say what is wrong
// in their text only.
var (
	// ErrKind means that a text is not of the expected kind: an authority or a login in
	// place of a certificate, or a text of some other program.
	ErrKind = errors.New("of another kind")
	// ErrUntrusted means that a certificate or a revocation list is not signed, or not by
	// a trusted authority.
	ErrUntrusted = errors.New("not signed by a trusted authority")
	// ErrNotYetValid means that the validity period begins later.
	ErrNotYetValid = errors.New("not yet valid")
	// ErrExpired means that the validity period is over.
	ErrExpired = errors.New("expired")
	// ErrRevoked means that the authority revoked the certificate.
	ErrRevoked = errors.New("revoked")
	// ErrPassphrase means that a passphrase does not unlock a secret key, or is empty.
	ErrPassphrase = errors.New("wrong passphrase")
)

// A SyntaxError is a fault in a text, and its place.
type SyntaxError struct {
	File         string // "" if it is not known
	Line, Column int    // from 1, in bytes; Column is 0 if it is not known
	Err          error
}

func (e *SyntaxError) Error() string {
	switch {
	case e.File == "" && e.Column == 0:
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	case e.File == "":
		return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap returns the fault.
func (e *SyntaxError) Unwrap() error { return e.Err }

// sentence is an error with a text of its own, which errors.Is takes for a kind.
type sentence struct {
	text string
	kind error
}

func (e *sentence) Error() string        { return e.text }
func (e *sentence) Is(target error) bool { return target == e.kind }

var (
	errNoPublicKey   = &sentence{"not a certificate: no public-key in section curve", ErrKind}
	errNoAuthority   = &sentence{"not an authority: no key in section authority", ErrKind}
	errNoRevocations = &sentence{"not a revocation list: no section revocations", ErrKind}

	errUnsigned         = &sentence{"not signed by an authority", ErrUntrusted}
	errUnknownAuthority = &sentence{"signed by an unknown authority", ErrUntrusted}

	errNoPassphrase = &sentence{"empty passphrase", ErrPassphrase}

	// errKey means that a text is not 40 characters of Z85. Its text says what it looks
	// like instead, and never quotes it.
	errKey = errors.New("not a key")
	// errKeyPair looks like a wrong server key to a client.
	errKeyPair     = errors.New("public key and secret key do not match")
	errNoSecretKey = errors.New("no secret key")
	errVersion     = errors.New("unsupported version")

	errAuthorityKey  = errors.New("not an authority's key")
	errNoSeed        = errors.New("no secret key of an authority")
	errSeed          = errors.New("the authority's public key and secret key do not match")
	errSignature     = errors.New("wrong signature: changed after it was signed, or signed with a different key")
	errPublishedKey  = errors.New("well-known test key: its secret key is public")
	errListExpired   = errors.New("revocation list expired")
	errListNotIssued = errors.New("revocation list not yet valid")

	errLocked        = errors.New("secret key is locked with a passphrase")
	errLockedChanged = errors.New("the file was changed after its secret key was locked")
	errScheme        = errors.New("unknown locking scheme")
	errDamaged       = errors.New("damaged")
)

// namedError is an error that leaves this package, whose text says so.
type namedError struct{ err error }

func (e *namedError) Error() string { return "cert: " + e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }

// named puts the package's name in front of an error that leaves it. The text is made
// when it is asked for, so that a *SyntaxError can still be given the name of a file.
func named(err error) error {
	if err == nil {
		return nil
	}
	return &namedError{err}
}
