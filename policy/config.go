package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/zap"
)

// LinkDomain is the domain in which a daemon decides who may ask it. The section for
// all other domains isn't for it, and it never admits a client that isn't known.
const LinkDomain = "zauth"

// MaxFile is the size in octets of the largest policy file that is read.
const MaxFile = 4 << 20

// What can be wrong in a policy file.
var (
	// ErrName means that a property isn't known where it stands.
	ErrName = errors.New("unknown name")
	// ErrValue means that a property can't have this value.
	ErrValue = errors.New("unusable value")
	// ErrTwice means that something that can stand once stands again.
	ErrTwice = errors.New("stands twice")
	// ErrMissing means that a property that must be there isn't.
	ErrMissing = errors.New("missing")
	// ErrEmpty means that a file has no section security: it would let nobody in.
	ErrEmpty = errors.New("no section security: nobody would be let in")
)

// Error is one fault of a policy file, and where.
type Error struct {
	File         string
	Line, Column int // from 1; the column counts octets
	Err          error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err) }

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Err }

// Errors are all faults of a policy file, in the order of their places.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// config is a policy file as it is written.
type config struct {
	file     string
	sections []*section
	warnings []string // with their places
}

// section is what a section security says of one domain.
type section struct {
	rule      string // file:line of the section
	domain    string // "*" for every other one
	allow     []network
	deny      []network
	failures  int    // an address may have this many in a minute; 0 is no limit
	anonymous string // the rule that allows NULL, or ""
	plain     *plainSection
	userID    string // userIDName or userIDKey
	curve     *curveSection
	gssapi    *gssapiSection
}

// What a client by CURVE is called.
const (
	userIDName = "name"
	userIDKey  = "key"
)

// network is a range of addresses.
type network struct {
	prefix netip.Prefix
	rule   string
}

// plainSection says who may connect with a password.
type plainSection struct {
	rule     string
	accounts []*account
}

// account is a user with a password.
type account struct {
	rule     string
	login    string
	password password
	userID   string       // "" if it can't travel
	metadata zap.Metadata // with the groups
}

// curveSection says who may come in with a key.
type curveSection struct {
	rule        string
	any         string // the rule that lets in every key, or ""
	keystores   []reference
	groups      []string
	authorities map[cert.AuthorityKey]bool
	revoked     []reference // revocation lists
}

// reference is a file, or a store, that a policy names.
type reference struct {
	text string
	node *zpl.Node
	rule string
}

// gssapiSection says which principals may come in.
type gssapiSection struct {
	rule       string
	principals map[string]string // to their rules
}

// others are the sections of FileMQ's configuration that are none of a policy's
// business, and the property that it prints.
var others = []string{"server", "client", "publish", "subscribe", "broker", "mount", "bind"}

// parser reads a policy file and gathers its faults.
type parser struct {
	*config
	errs Errors
}

// parseConfig reads a policy file. The error is Errors.
func parseConfig(file string, text []byte) (*config, error) {
	p := parser{config: &config{file: file}}
	root, warnings, err := zpl.Parse(text)
	var place *zpl.Error
	if errors.As(err, &place) {
		return nil, Errors{{File: file, Line: place.Line, Column: place.Column, Err: place.Err}}
	}
	for _, w := range warnings {
		p.warn(w.Line, "%s", w.Text)
	}
	domains := map[string]bool{}
	for _, n := range root.Children {
		switch {
		case n.Name == "security":
			s := p.section(n)
			if domains[s.domain] {
				p.fail(n, fmt.Errorf("section security for domain %q: %w", s.domain, ErrTwice))
			}
			domains[s.domain] = true
			p.sections = append(p.sections, s)
		case slices.Contains(others, n.Name):
			p.warn(n.Line, "section %s is none of a policy's business: passed over", n.Name)
		default:
			p.unknown(n, append([]string{"security"}, others...))
		}
	}
	if len(p.sections) == 0 && len(p.errs) == 0 {
		p.errs = append(p.errs, &Error{File: file, Line: 1, Column: 1, Err: ErrEmpty})
	}
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b *Error) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, p.errs
	}
	return p.config, nil
}

func (p *parser) warn(line int, format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf("%s:%d: ", p.file, line)+fmt.Sprintf(format, args...))
}

func (p *parser) add(e *zpl.Error) {
	p.errs = append(p.errs, &Error{File: p.file, Line: e.Line, Column: e.Column, Err: e.Err})
}

// fail notes a fault at a name.
func (p *parser) fail(n *zpl.Node, err error) { p.add(n.Error(err)) }

// failValue notes a fault at a value.
func (p *parser) failValue(n *zpl.Node, err error) {
	if n.HasValue {
		p.add(n.ValueError(err))
	} else {
		p.fail(n, err)
	}
}

// unknown notes a name that isn't known, and the nearest one that is.
func (p *parser) unknown(n *zpl.Node, known []string) {
	nearest := slices.MinFunc(known, func(a, b string) int {
		return cmp.Compare(levenshtein.ComputeDistance(n.Name, a), levenshtein.ComputeDistance(n.Name, b))
	})
	err := fmt.Errorf("%w %s: want one of %s", ErrName, n.Name, strings.Join(known, ", "))
	if d := levenshtein.ComputeDistance(n.Name, nearest); d <= 1+len(n.Name)/3 {
		err = fmt.Errorf("%w %s: did you mean %s?", ErrName, n.Name, nearest)
	}
	p.fail(n, err)
}

func (p *parser) rule(n *zpl.Node) string { return fmt.Sprintf("%s:%d", p.file, n.Line) }

// childless notes properties where none can stand.
func (p *parser) childless(n *zpl.Node) {
	for _, c := range n.Children {
		p.fail(c, fmt.Errorf("%w %s: nothing can stand within %s", ErrName, c.Name, n.Name))
	}
}

// text reads a value that must not be empty.
func (p *parser) text(n *zpl.Node) string {
	p.childless(n)
	if n.Value == "" {
		p.failValue(n, fmt.Errorf("%w: %s is empty", ErrValue, n.Name))
	}
	return n.Value
}

// on reads a switch: 1 or 0.
func (p *parser) on(n *zpl.Node) bool {
	if n.Value != "0" && n.Value != "1" {
		p.failValue(n, fmt.Errorf("%w: %s: want 1 or 0", ErrValue, n.Name))
	}
	return n.Value == "1"
}

// once notes what stands a second time.
type once map[string]bool

func (o once) see(p *parser, n *zpl.Node) {
	if o[n.Name] {
		p.fail(n, fmt.Errorf("%s %w", n.Name, ErrTwice))
	}
	o[n.Name] = true
}
