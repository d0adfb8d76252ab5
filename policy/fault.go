package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/cert"
)

// Parts of faults, which tests compare with.
var (
	errName      = errors.New("unknown name")
	errValue     = errors.New("invalid value")
	errDuplicate = errors.New("duplicate")
	errMissing   = errors.New("missing")
	errNil       = errors.New("nil keystore")
	errEmpty     = errors.New("no section security: the policy would refuse every client")
)

// warning is about a setting that works but is probably a mistake.
type warning struct {
	rule string // "" if the text contains the place
	text string
}

func (w warning) String() string {
	if w.rule == "" {
		return w.text
	}
	return w.rule + ": " + w.text
}

func compareWarnings(a, b warning) int { return cmp.Compare(a.String(), b.String()) }

// findings are the faults and warnings of rules.
type findings struct {
	faults   []*cert.SyntaxError
	warnings []warning
}

func (f *findings) warn(l line, format string, args ...any) {
	f.warnings = append(f.warnings, warning{l.rule(), fmt.Sprintf(format, args...)})
}

// fail adds a fault at a name.
func (f *findings) fail(l line, err error) { f.failAt(l, l.column, err) }

// failValue adds a fault at a value, or at the name if there is no value.
func (f *findings) failValue(l line, err error) {
	if l.valueColumn == 0 {
		f.fail(l, err)
	} else {
		f.failAt(l, l.valueColumn, err)
	}
}

func (f *findings) failAt(l line, column int, err error) {
	f.faults = append(f.faults, &cert.SyntaxError{File: l.file, Line: l.number, Column: column, Err: err})
}

// err returns all faults, ordered by line.
func (f *findings) err() error {
	if len(f.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(f.faults, func(a, b *cert.SyntaxError) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all := make([]error, len(f.faults))
	for i, one := range f.faults {
		all[i] = one
	}
	return fmt.Errorf("policy: %w", errors.Join(all...))
}
