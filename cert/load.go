package cert

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
)

// Load reads a certificate from a file, public or secret, as Parse does. The file must be
// a regular one of at most 64 KiB; opening it never waits for a pipe. If it holds a secret
// key and other users can read it, there is a warning with its Mode. Load leaves no copy
// of the secret key in memory other than Certificate.Secret.
func Load(path string) (*Certificate, error) {
	c, mode, err := load(path, form.MaxFile, Parse)
	if err == nil && !c.Secret.IsZero() {
		c.Warnings = append(c.Warnings, modeWarnings(path, mode)...)
	}
	return c, err
}

// LoadAuthority reads an authority from a file, as Load does a certificate.
func LoadAuthority(path string) (*Authority, error) {
	a, mode, err := load(path, form.MaxFile, ParseAuthority)
	if err == nil && a.HasSecret() {
		a.Warnings = append(a.Warnings, modeWarnings(path, mode)...)
	}
	return a, err
}

// LoadRevocations reads a revocation list from a file, as ParseRevocations does. The file
// must be a regular one of at most 16 MiB.
func LoadRevocations(path string) (*RevocationList, error) {
	l, _, err := load(path, form.MaxList, ParseRevocations)
	return l, err
}

// load reads a file of at most limit bytes.
func load[T any](path string, limit int, parse func([]byte) (*T, error)) (t *T, mode fs.FileMode, err error) {
	text, mode, err := regular.Read(path, limit)
	if err != nil {
		return nil, 0, named(err)
	}
	defer clear(text)
	t, err = parse(text)
	if place, ok := errors.AsType[*SyntaxError](err); ok {
		place.File = path
	} else if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return t, mode, err
}

// modeWarnings warns of a secret key that other users can read.
func modeWarnings(path string, mode fs.FileMode) []Warning {
	if text := regular.ModeWarning(path, mode, "secret key"); text != "" {
		return []Warning{{Text: text, Mode: mode}}
	}
	return nil
}
