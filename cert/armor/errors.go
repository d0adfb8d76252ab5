package armor

import "github.com/zcurve/zcurve/cert"

// namedError is an error of this package, whose text says so.
type namedError struct{ err error }

func (e *namedError) Error() string { return "armor: " + e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }

// named puts the package's name in front of an error that leaves it. The text is made
// when it is asked for, so that a *cert.SyntaxError can still be given the name of a
// file.
func named(err error) error {
	if err == nil {
		return nil
	}
	return &namedError{err}
}

// errorAt is an error in a line of a text.
func errorAt(line int, err error) error { return &cert.SyntaxError{Line: line, Err: err} }
