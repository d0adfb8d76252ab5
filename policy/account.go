package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/zap"
)

func (p *parser) plain(n *zpl.Node) *plainSection {
	s := &plainSection{rule: p.rule(n)}
	if login := n.Child("login"); login != nil {
		p.fail(login, fmt.Errorf("%w login: this is what a client logs in with; a policy expects it in a section account", ErrName))
		return nil
	}
	logins := map[string]bool{}
	on := p.on(n)
	for _, c := range n.Children {
		if c.Name != "account" {
			p.unknown(c, []string{"account"})
			continue
		}
		a := p.account(c)
		if logins[a.login] {
			p.fail(c, fmt.Errorf("account %q %w", a.login, ErrTwice))
		}
		logins[a.login] = true
		s.accounts = append(s.accounts, a)
	}
	if on && len(s.accounts) == 0 {
		p.warn(n.Line, "plain = 1 without an account: nobody can connect by PLAIN")
		on = false
	}
	if !on {
		return nil
	}
	return s
}

func (p *parser) account(n *zpl.Node) *account {
	a := &account{rule: p.rule(n)}
	seen := once{}
	var groups []string
	var metadata zap.Metadata
	for _, c := range n.Children {
		if c.Name != "group" {
			seen.see(p, c)
		}
		switch c.Name {
		case "login":
			a.login = p.text(c)
		case "password":
			p.childless(c)
			var err error
			if a.password, err = parsePassword(c.Value); err != nil {
				p.failValue(c, err)
			} else if a.password.isClear() {
				p.warn(c.Line, "password in clear: put the output of \"zauth hash\" in its place")
			}
		case "group":
			groups = append(groups, p.groups(c)...)
		case "user-id":
			if a.userID = p.text(c); !isUserID(a.userID) {
				p.failValue(c, fmt.Errorf("%w: user-id: expected printable ASCII, at most 255 characters", ErrValue))
			}
		case "metadata":
			metadata = p.metadata(c)
		default:
			p.unknown(c, []string{"login", "password", "group", "user-id", "metadata"})
		}
	}
	if a.userID == "" && isUserID(a.login) {
		a.userID = a.login
	}
	if _, err := curve.ParsePublicKey(a.userID); err == nil {
		p.fail(n, fmt.Errorf("%w: the user id %s reads as a key: a client by CURVE could be called the same", ErrValue, a.userID))
	}
	slices.Sort(groups)
	a.metadata = append(metadata, zap.Metadata{{"group", strings.Join(slices.Compact(groups), ",")}}...)
	for _, name := range []string{"login", "password"} {
		if !seen[name] {
			p.fail(n, fmt.Errorf("account: %w: %s", ErrMissing, name))
		}
	}
	return a
}

// groups reads the names of one group or more, with commas between.
func (p *parser) groups(n *zpl.Node) (groups []string) {
	for name := range strings.SplitSeq(p.text(n), ",") {
		if name = strings.Trim(name, " "); name != "" {
			groups = append(groups, name)
		} else if n.Value != "" {
			p.failValue(n, fmt.Errorf("%w: group: empty name between commas", ErrValue))
		}
	}
	return groups
}

// metadata reads what a service is told of an account.
func (p *parser) metadata(n *zpl.Node) (m zap.Metadata) {
	if n.HasValue {
		p.failValue(n, fmt.Errorf("%w: metadata has no value: it has lines NAME = VALUE", ErrValue))
	}
	seen := map[string]bool{"group": true} // it has a line of its own
	for _, c := range n.Children {
		p.childless(c)
		name := strings.ToLower(c.Name)
		property := zap.Metadata{{c.Name, c.Value}}
		switch _, err := property.Append(nil); {
		case err != nil:
			p.fail(c, fmt.Errorf("%w %s: expected letters, digits and -_.+", ErrName, c.Name))
		case seen[name]:
			p.fail(c, fmt.Errorf("%s %w", c.Name, ErrTwice))
		case isReserved(c.Name):
			p.fail(c, fmt.Errorf("%w %s: ZeroMQ or zauth itself uses this name", ErrName, c.Name))
		case len(m) == zap.MaxProperties-1: // one is for the groups
			p.fail(c, fmt.Errorf("%w: metadata has more than %d lines", ErrValue, zap.MaxProperties-1))
		}
		seen[name] = true
		m = append(m, property...)
	}
	return m
}

// isReserved reports whether a property comes from elsewhere than the policy.
func isReserved(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "claim-") || zap.IsReserved(name)
}
