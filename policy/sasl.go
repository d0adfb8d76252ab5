package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/internal/nearest"
	"github.com/zcurve/zcurve/sasl"
)

// strongest lists the mechanisms that a policy decides about, strongest first.
var strongest = sasl.Mechanisms()

// Mechanisms returns the mechanisms that a server of package sasl may offer in a domain,
// strongest first. If the connection is not encrypted, PLAIN is offered only if Domain.SASL
// lists it. Where PLAIN is offered, SCRAM is offered only if every account has a verifier, or
// if Domain.SASL lists it. Mechanisms returns nil for a daemon's own domains,
// such as LinkDomain.
func (p *Policy) Mechanisms(domain string, encrypted bool) []string {
	s := p.current.Load()
	if s == nil || IsOwn(domain) {
		return nil
	}
	d := s.domain(domain)
	if d == nil {
		return nil
	}
	isPlain := d.offers(sasl.Plain) && (encrypted || slices.Contains(d.sasl, sasl.Plain))
	return slices.DeleteFunc(slices.Clone(strongest), func(mechanism string) bool {
		return !d.offers(mechanism) || mechanism == sasl.Plain && !isPlain || isScram(mechanism) && isPlain && len(d.hashOnly()) > 0
	})
}

// hashOnly returns the logins that have no verifier, if SCRAM must not be offered beside PLAIN
// because of them: clients would choose SCRAM, and be refused. If the rules list the
// mechanisms, it returns nil.
func (s *section) hashOnly() []string {
	if len(s.sasl) > 0 || !s.offers(sasl.Plain) || !s.plain.verifiers {
		return nil
	}
	return s.plain.hashOnly
}

// Verifier returns the verifier of an account in a domain. The login must be in the form of
// SASLprep. For an unknown login, it returns a decoy, which stays the same as long as the
// policy keeps its state. If no account of the domain has a verifier, it returns the zero
// Verifier.
func (p *Policy) Verifier(_ context.Context, domain, login string) (sasl.Verifier, error) {
	s := p.current.Load()
	if s == nil {
		return sasl.Verifier{}, nil
	}
	d := s.domain(domain)
	if d == nil || d.scram == nil {
		return sasl.Verifier{}, nil
	}
	return d.scram.verifier(login), nil
}

// offers reports whether a domain offers a SASL mechanism.
func (s *section) offers(mechanism string) bool {
	return (len(s.sasl) == 0 || slices.Contains(s.sasl, mechanism)) && s.canAdmit(mechanism)
}

// canAdmit reports whether the rules of a domain can admit a client by a SASL mechanism.
func (s *section) canAdmit(mechanism string) bool {
	if s.needsKey() != "" && mechanism != sasl.ScramSHA256Plus {
		return s.curve.passwordFor.all() == "" && (mechanism == sasl.Curve || mechanism == sasl.External)
	}
	switch mechanism {
	case sasl.ScramSHA256Plus, sasl.ScramSHA256:
		return s.plain != nil && s.plain.verifiers
	case sasl.Curve:
		return s.curve != nil
	case sasl.External:
		return s.curve != nil || s.gssapi != nil
	case sasl.Plain:
		return s.plain != nil && s.plain.hashes
	case sasl.Anonymous:
		return s.anonymous != ""
	}
	return false
}

// sasl checks the mechanisms that a domain offers.
func (c compiler) sasl(d *Domain, s *section) []string {
	for i, name := range d.SASL {
		l := d.at.find("sasl", i, name)
		switch {
		case !slices.Contains(strongest, name):
			c.failValue(l, unknownMechanism(name))
		case slices.Contains(d.SASL[:i], name):
			c.failValue(l, fmt.Errorf("%w %s", errDuplicate, name))
		case s.needsKey() != "" && name != sasl.ScramSHA256Plus && !s.canAdmit(name):
			c.failValue(l, fmt.Errorf("%w: sasl: password-for admits no client by %s: give such clients a domain of their own", errValue, name))
		case isScram(name) && !s.canAdmit(name):
			c.warn(l, `no account has a verifier for %s: "zauth hash --scram" makes one`, name)
		case !s.canAdmit(name):
			c.warn(l, "sasl lists %s, but it admits no client", name)
		case name == sasl.Plain:
			c.warn(l, "PLAIN is offered over unencrypted connections, too")
		}
	}
	if logins := s.hashOnly(); len(logins) > 0 && len(d.SASL) == 0 {
		l := d.at.first("plain")
		c.warn(l, `SCRAM is not offered where PLAIN is, because these accounts have no verifier: %s`, someOf(logins))
	}
	return d.SASL
}

// someOf returns the first names of a list, and how many more there are.
func someOf(names []string) string {
	const some = 10
	if len(names) <= some {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:some], ", "), len(names)-some)
}

// unknownMechanism returns the fault of a mechanism, with the nearest known name.
func unknownMechanism(name string) error {
	if strings.Contains(name, " ") {
		return fmt.Errorf("%w: sasl: unknown mechanism %q: separate mechanisms with commas", errValue, name)
	}
	near := nearest.Name(strings.ToUpper(name), strongest)
	if near == "" {
		return fmt.Errorf("%w: sasl: unknown mechanism %q: expected one of %s", errValue, name, strings.Join(strongest, ", "))
	}
	return fmt.Errorf("%w: sasl: unknown mechanism %q: did you mean %s?", errValue, name, near)
}
