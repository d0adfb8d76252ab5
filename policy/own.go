package policy

import "fmt"

// The domains in which a daemon decides who may connect to the daemon itself, by a key of a
// keystore. The rules for all other domains don't apply to them, and their own rules cannot
// admit every client, or clients with a password.
const (
	// LinkDomain is for services, which ask the daemon about their clients.
	LinkDomain = "zauth"
	// ControlDomain is for operators, who see what the daemon does and change it.
	ControlDomain = "zauth-control"
	// DecisionsDomain is for programs that collect the daemon's decisions.
	DecisionsDomain = "zauth-decisions"
)

// own says which clients each of the daemon's own domains admits.
var own = map[string]string{
	LinkDomain:      "services to zauth",
	ControlDomain:   "operators to zauth",
	DecisionsDomain: "readers of zauth's decisions",
}

// IsOwn reports whether a domain is one of the daemon's own, such as LinkDomain.
func IsOwn(domain string) bool { return own[domain] != "" }

// ownDomain checks that rules for one of the daemon's own domains admit clients by their
// key alone, and not every client.
func (c compiler) ownDomain(d *Domain, s *section) {
	if !IsOwn(d.Name) {
		return
	}
	if s.anonymous != "" || s.curve != nil && s.curve.any != "" {
		c.fail(d.at.head, fmt.Errorf("%w: domain %s admits %s: it cannot admit every client by anonymous or any", errValue, d.Name, own[d.Name]))
	}
	if len(d.SASL) > 0 || d.Curve != nil && len(d.Curve.PasswordFor) > 0 {
		c.fail(d.at.head, fmt.Errorf("%w: domain %s admits %s by their key alone: remove sasl and password-for", errValue, d.Name, own[d.Name]))
	}
}
