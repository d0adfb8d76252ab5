package policy

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/zpl"
)

var securityNames = []string{"domain", "allow", "deny", "failures", "user-id", "anonymous", "plain", "curve", "gssapi", "echo"}

func (p *parser) section(n *zpl.Node) *section {
	s := &section{rule: p.rule(n), domain: "*", userID: userIDName}
	seen := once{}
	if n.HasValue {
		p.failValue(n, fmt.Errorf("%w: security has no value: a domain is said by domain", ErrValue))
	}
	for _, c := range n.Children {
		if c.Name != "allow" && c.Name != "deny" && c.Name != "echo" {
			seen.see(p, c)
		}
		switch c.Name {
		case "domain":
			s.domain = p.text(c)
		case "allow":
			s.allow = append(s.allow, p.network(c))
		case "deny":
			s.deny = append(s.deny, p.network(c))
		case "failures":
			s.failures = p.count(c)
		case "user-id":
			if s.userID = p.text(c); s.userID != userIDName && s.userID != userIDKey && s.userID != "" {
				p.failValue(c, fmt.Errorf("%w: user-id: expected name or key", ErrValue))
			}
		case "anonymous":
			p.childless(c)
			if p.on(c) {
				s.anonymous = p.rule(c)
			}
		case "plain":
			s.plain = p.plain(c)
		case "curve":
			s.curve = p.curve(c)
		case "gssapi":
			s.gssapi = p.gssapi(c)
		case "echo": // FileMQ prints it
		default:
			p.unknown(c, securityNames)
		}
	}
	if s.domain == LinkDomain && (s.anonymous != "" || s.curve != nil && s.curve.any != "") {
		p.fail(n, fmt.Errorf("%w: domain %s says who may ask zauth: it can't admit everybody by anonymous or any", ErrValue, LinkDomain))
	}
	return s
}

func (p *parser) count(n *zpl.Node) int {
	p.childless(n)
	count, err := strconv.Atoi(n.Value)
	if err != nil || count < 0 {
		p.failValue(n, fmt.Errorf("%w: %s: want a number from 0 on", ErrValue, n.Name))
	}
	return count
}

// network reads an address or a range of them.
func (p *parser) network(n *zpl.Node) network {
	p.childless(n)
	prefix, err := netip.ParsePrefix(n.Value)
	if err != nil {
		var address netip.Addr
		if address, err = netip.ParseAddr(n.Value); address.Zone() != "" {
			p.failValue(n, fmt.Errorf("%w: %s: an address can't be bound to an interface: leave out %%%s", ErrValue, n.Name, address.Zone()))
			return network{}
		} else if err == nil {
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
	}
	if err != nil {
		p.failValue(n, fmt.Errorf("%w: %s: want an address or network, such as 10.0.0.0/8 or fd00::/8", ErrValue, n.Name))
		return network{}
	}
	if address := prefix.Addr(); address.Is4In6() {
		if prefix.Bits() < 96 {
			p.failValue(n, fmt.Errorf("%w: %s: part of the IPv4-mapped addresses: expected an IPv4 network, such as 10.0.0.0/8", ErrValue, n.Name))
			return network{}
		}
		prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
	}
	if prefix != prefix.Masked() {
		p.warn(n.Line, "%s has bits set behind the network: it means %s", n.Value, prefix.Masked())
	}
	return network{prefix.Masked(), p.rule(n)}
}

func (p *parser) curve(n *zpl.Node) *curveSection {
	s := &curveSection{rule: p.rule(n), authorities: map[cert.AuthorityKey]bool{}}
	seen := once{}
	on := p.on(n)
	for _, c := range n.Children {
		switch c.Name {
		case "keystore":
			s.keystores = append(s.keystores, reference{p.text(c), c, p.rule(c)})
		case "group":
			s.groups = append(s.groups, p.groups(c)...)
		case "authority":
			p.childless(c)
			key, err := cert.ParseAuthorityKey(c.Value)
			if err != nil {
				p.failValue(c, fmt.Errorf("%w: authority: %w (zcert pubkey NAME.authority prints it)", ErrValue, err))
			} else if key.Check() != nil {
				p.failValue(c, fmt.Errorf("%w: authority: %w: anybody can sign for it", ErrValue, cert.ErrPublishedKey))
			}
			s.authorities[key] = true
		case "revoked":
			s.revoked = append(s.revoked, reference{p.text(c), c, p.rule(c)})
		case "any":
			seen.see(p, c)
			p.childless(c)
			if p.on(c) {
				s.any = p.rule(c)
			}
		default:
			p.unknown(c, []string{"keystore", "group", "authority", "revoked", "any"})
		}
	}
	switch {
	case !on:
		return nil
	case s.any == "" && len(s.keystores) == 0:
		p.fail(n, fmt.Errorf("curve: %w: keystore: no one can connect", ErrMissing))
	case s.any != "" && (len(s.groups) > 0 || len(s.authorities) > 0):
		p.fail(n, fmt.Errorf("%w: any = 1 lets every key in, whatever its group and authority", ErrValue))
	case len(s.revoked) > 0 && len(s.authorities) == 0:
		p.fail(n, fmt.Errorf("curve: %w: authority: whose revocation list is it?", ErrMissing))
	}
	return s
}

func (p *parser) gssapi(n *zpl.Node) *gssapiSection {
	s := &gssapiSection{rule: p.rule(n), principals: map[string]string{}}
	on := p.on(n)
	for _, c := range n.Children {
		if c.Name != "principal" {
			p.unknown(c, []string{"principal"})
			continue
		}
		s.principals[p.text(c)] = p.rule(c)
	}
	if on && len(s.principals) == 0 {
		p.fail(n, fmt.Errorf("gssapi: %w: principal: no one can connect", ErrMissing))
	}
	if !on {
		return nil
	}
	return s
}
