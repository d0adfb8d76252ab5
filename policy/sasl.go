package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/zcurve/zcurve/sasl"
)

// strongest are the mechanisms that a policy decides about, strongest first.
var strongest = sasl.Mechanisms()

// Mechanisms returns the mechanisms that a server of package sasl may offer in a domain,
// strongest first. encrypted is whether the connection is encrypted: otherwise PLAIN is
// offered only if the rules name it. Mechanisms returns nil for LinkDomain.
func (p *Policy) Mechanisms(domain string, encrypted bool) []string {
	s := p.current.Load()
	if s == nil || domain == LinkDomain {
		return nil
	}
	d := s.domain(domain)
	if d == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(strongest), func(mechanism string) bool {
		return !d.offers(mechanism) || mechanism == sasl.Plain && !encrypted && !slices.Contains(d.sasl, mechanism)
	})
}

// Verifier returns the verifier of an account of a domain, by its login in the form of
// SASLprep. For an unknown login, it returns a decoy. If no account of the domain has a
// verifier, it returns the zero Verifier.
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

// offers reports whether a client can be admitted by a mechanism of SASL.
func (s *section) offers(mechanism string) bool {
	return (len(s.sasl) == 0 || slices.Contains(s.sasl, mechanism)) && s.canAdmit(mechanism)
}

// canAdmit reports whether the rules of a domain can admit a client by a mechanism of SASL.
func (s *section) canAdmit(mechanism string) bool {
	if s.curve != nil && s.curve.passwordFor.all() != "" && mechanism != sasl.ScramSHA256Plus {
		return false
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
		case strings.HasPrefix(name, sasl.ScramSHA256) && !s.canAdmit(name):
			c.warn(l, `no account has a verifier for %s: "zauth hash --scram" makes one`, name)
		case !s.canAdmit(name):
			c.warn(l, "sasl has %s, but no client is admitted by it", name)
		case name == sasl.Plain:
			c.warn(l, "PLAIN is offered over unencrypted connections, too")
		}
	}
	return d.SASL
}

// unknownMechanism returns the fault of a mechanism, with the nearest known name.
func unknownMechanism(name string) error {
	distance := func(known string) int { return levenshtein.ComputeDistance(strings.ToUpper(name), known) }
	nearest := slices.MinFunc(strongest, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if name == "" || distance(nearest) > 1+len(name)/3 {
		return fmt.Errorf("%w: sasl: unknown mechanism %q: expected one of %s", errValue, name, strings.Join(strongest, ", "))
	}
	return fmt.Errorf("%w: sasl: unknown mechanism %q: did you mean %s?", errValue, name, nearest)
}
