package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sasl"
)

var (
	errNoVerifiers = errors.New(`password-for needs an account with a verifier: "zauth hash --scram" makes one`)
	errNoPlus      = fmt.Errorf("password-for needs %s: add it to sasl", sasl.ScramSHA256Plus)
	errCurveOff    = errors.New("password-for needs curve = 1: without it, passwords alone would admit clients")
	errNeedsKey    = errors.New("password-for admits no client without a key")
)

// The reasons for refusing a client in a domain with password-for.
const (
	needsPassword = "needs a password as well (password-for)"
	needsKey      = "needs a key as well (password-for)"
	anotherUser   = "key and password of different users"
	noUserID      = "key without a user id: no account can have it (password-for)"
)

// passwordFor lists the groups whose keys need a password as well. If it lists any, a
// password admits nobody without a key, whatever the groups.
type passwordFor []groupRule

// groupRule is a group and the rule that names it.
type groupRule struct{ group, rule string }

// all returns the rule that applies to every key, or "".
func (p passwordFor) all() string { return p.rule([]string{others}) }

// rule returns the rule that applies to a member of these groups, or "".
func (p passwordFor) rule(groups []string) string {
	for _, one := range p {
		if slices.Contains(groups, one.group) {
			return one.rule
		}
	}
	return ""
}

// needsKey returns the rule by which every client needs a key, or "".
func (s *section) needsKey() string {
	if s.curve == nil || len(s.curve.passwordFor) == 0 {
		return ""
	}
	return s.curve.passwordFor[0].rule
}

// passwordFor checks the rules about clients that need a password as well as a key.
func (c compiler) passwordFor(d *Domain, s *section) {
	if IsOwn(d.Name) || d.Curve == nil || len(d.Curve.PasswordFor) == 0 {
		return // ownDomain reports it
	}
	l := d.Curve.at.first("password-for")
	if s.curve == nil {
		c.fail(l, errCurveOff)
		return
	}
	if s.plain == nil || !s.plain.verifiers {
		c.fail(l, errNoVerifiers)
	}
	if s.anonymous != "" {
		c.fail(l, fmt.Errorf("%w: remove anonymous", errNeedsKey))
	}
	if s.gssapi != nil {
		c.fail(l, fmt.Errorf("%w: remove gssapi", errNeedsKey))
	}
	if len(d.SASL) > 0 && !slices.Contains(d.SASL, sasl.ScramSHA256Plus) {
		c.fail(l, errNoPlus)
	}
	for _, a := range s.accounts() {
		if a.verifier == nil {
			c.warnings = append(c.warnings, warning{a.rule, "account " + a.login + " admits no client: it needs a verifier, because of password-for"})
		}
	}
}

// accounts returns the accounts of a domain.
func (s *section) accounts() []*account {
	if s.plain == nil {
		return nil
	}
	return s.plain.accounts
}

// passwordRule returns the rule by which a key needs a password as well, or "". The groups of
// accounts whose user id is the identity's user id or name count, too. Otherwise, a client
// could leave its account's group by not sending its password.
func (d *domain) passwordRule(key curve.PublicKey, g *granted, name string) string {
	if d.needsKey() == "" {
		return ""
	}
	p := d.curve.passwordFor
	if rule := cmp.Or(p.all(), p.rule(g.groups), d.members[g.userID], d.members[name]); rule != "" {
		return rule
	}
	return d.curve.memberRule(key)
}
