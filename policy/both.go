package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

var (
	errNoVerifiers = errors.New(`password-for needs an account with a verifier: "zauth hash --scram" makes one`)
	errNoPlus      = fmt.Errorf("password-for needs %s: add it to sasl", sasl.ScramSHA256Plus)
	errOnlyPlus    = fmt.Errorf("password-for = * admits clients by %s only: remove the others from sasl", sasl.ScramSHA256Plus)
	errOnlyBoth    = errors.New("password-for = * admits no client without a key and a password")
	errLinkSASL    = fmt.Errorf("%w: domain %s admits services by their key alone: remove sasl and password-for", errValue, LinkDomain)
)

// The reasons for refusing a client that has proved only one of a key and a password.
const (
	needsPassword = "needs a password as well (password-for)"
	needsKey      = "needs a key as well (password-for)"
	needsBoth     = "needs a key and a password (password-for)"
	anotherUser   = "key and password of different users"
)

// passwordFor lists the groups whose members need a password as well as a key.
type passwordFor []groupRule

// groupRule is a group and the rule that names it.
type groupRule struct{ group, rule string }

// all returns the rule that applies to every client, or "".
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

// passwordFor checks the rules about clients that need a password as well as a key.
func (c compiler) passwordFor(d *Domain, s *section) {
	if d.Name == LinkDomain && (len(d.SASL) > 0 || d.Curve != nil && len(d.Curve.PasswordFor) > 0) {
		c.fail(d.at.head, errLinkSASL)
		return
	}
	if s.curve == nil || len(s.curve.passwordFor) == 0 {
		return
	}
	l := d.Curve.at.first("password-for")
	all := s.curve.passwordFor.all() != ""
	if s.plain == nil || !s.plain.verifiers {
		c.fail(l, errNoVerifiers)
	}
	if all && s.anonymous != "" {
		c.fail(l, fmt.Errorf("%w: remove anonymous", errOnlyBoth))
	}
	if all && s.gssapi != nil {
		c.fail(l, fmt.Errorf("%w: remove gssapi", errOnlyBoth))
	}
	isPlus := func(mechanism string) bool { return mechanism == sasl.ScramSHA256Plus }
	switch {
	case len(d.SASL) == 0:
	case !slices.ContainsFunc(d.SASL, isPlus):
		c.fail(l, errNoPlus)
	case all && len(d.SASL) > 1:
		c.fail(l, errOnlyPlus)
	}
	for _, a := range s.accounts() {
		if a.verifier == nil && (all || s.curve.passwordFor.rule(a.groups) != "") {
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

// alone refuses a client that a key or a password alone has admitted, if its user needs
// both.
func (d *domain) alone(reply zap.Reply, groups []string, reason string) zap.Reply {
	if reply.Status == zap.StatusOK {
		if rule := d.bothRule(reply.UserID, groups); rule != "" {
			return refuseIdentity(reason, rule, reply.Identity)
		}
	}
	return reply
}

// bothRule returns the rule by which a client needs both a key and a password, or "". It
// counts all groups of a user: those of the accounts and identities with its user id.
// Otherwise, a client would leave a group with one of its credentials.
func (d *domain) bothRule(userID string, groups []string) string {
	if d.curve == nil || len(d.curve.passwordFor) == 0 {
		return ""
	}
	p := d.curve.passwordFor
	if rule := p.all(); rule != "" {
		return rule
	}
	if rule := p.rule(groups); rule != "" || userID == "" {
		return rule
	}
	if rule := d.members[userID]; rule != "" {
		return rule
	}
	for i := range d.curve.stores {
		store := d.curve.stores[i].store
		if store == nil {
			continue
		}
		key, ok := store.Holder(userID)
		if !ok {
			continue
		}
		if rule := d.curve.memberRule(key); rule != "" {
			return rule
		}
	}
	return ""
}
