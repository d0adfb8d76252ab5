package cert

import "errors"

// namedError is an error of this package, whose text says so.
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

// ErrKind means that a text is sound as far as it was read, but of another kind than
// expected: an authority in place of a certificate, or no text of this package at all.
var ErrKind = errors.New("of another kind")

// kindError is an ErrKind, whose text says what was expected.
type kindError string

func (e kindError) Error() string        { return string(e) }
func (e kindError) Is(target error) bool { return target == ErrKind }
