package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// others is the name of the domains that have no section, in a file.
const others = "*"

// section is a checked Domain.
type section struct {
	rule      string // file:line of the section
	domain    string // or others
	allow     []network
	deny      []network
	failures  int      // of an address in a minute; 0 for no limit
	sasl      []string // the mechanisms that servers of package sasl may offer; empty for all
	anonymous string   // the rule that admits NULL clients, or ""
	plain     *plainSection
	byKey     bool // the user id of a CURVE client is its key
	curve     *curveSection
	gssapi    *gssapiSection
}

// network is a range of addresses.
type network struct {
	prefix netip.Prefix
	rule   string
}

// curveSection is a checked Curve.
type curveSection struct {
	rule        string
	any         string // the rule that admits every key, or ""
	keystores   []reference
	readers     []reader
	groups      []string
	authorities map[cert.AuthorityKey]bool
	revoked     []reference // revocation lists
	passwordFor passwordFor
}

// reference is a file or a keystore that rules name.
type reference struct {
	text string
	line line
}

// reader is a program's keystore.
type reader struct {
	reader keystore.Reader
	line   line
}

// gssapiSection holds the checked Principals of a Domain.
type gssapiSection struct {
	rule       string
	principals map[string]string // principal to rule
}

// compiler checks rules.
type compiler struct{ *findings }

// compile checks rules whose lines are recorded. It is used for all rules, from files and
// from programs.
func compile(rules Rules, file string, f *findings) (sections []*section) {
	c := compiler{f}
	domains := map[string]bool{}
	for i := range rules {
		s := c.section(&rules[i])
		isEmpty := slices.ContainsFunc(rules[i].at.lines["domain"], func(l line) bool { return l.value == "" })
		if domains[s.domain] && !isEmpty { // already reported as a fault
			c.fail(rules[i].at.head, fmt.Errorf("%w section security for domain %q", errDuplicate, s.domain))
		}
		domains[s.domain] = true
		sections = append(sections, s)
	}
	if len(rules) == 0 {
		c.fail(line{file: file, number: 1, column: 1}, errEmpty)
	}
	return sections
}

// text checks that a value isn't empty and can be written to a policy file.
func (c compiler) text(l line, name, value string) {
	if value == "" {
		c.failValue(l, emptyValue(name))
	} else {
		c.writable(l, name, value)
	}
}

// writable checks that a policy file can hold a value.
func (c compiler) writable(l line, name, value string) {
	if _, err := quote(value); err != nil {
		c.failValue(l, fmt.Errorf("%w: %s: %w", errValue, name, err))
	}
}

func emptyValue(name string) error { return fmt.Errorf("%w: %s is empty", errValue, name) }

func (c compiler) section(d *Domain) *section {
	s := &section{rule: d.at.head.rule(), domain: d.Name, failures: d.Failures, byKey: d.UserID == "key"}
	if d.Name == "" || d.Name == others {
		s.domain = others
	} else {
		c.text(d.at.first("domain"), "domain", d.Name)
	}
	s.allow = c.networks(d.at, "allow", d.Allow)
	s.deny = c.networks(d.at, "deny", d.Deny)
	if d.Failures < 0 {
		c.failValue(d.at.first("failures"), fmt.Errorf("%w: failures: expected a number from 0 on", errValue))
	}
	if d.UserID != "" && d.UserID != "name" && d.UserID != "key" {
		c.failValue(d.at.first("user-id"), fmt.Errorf("%w: user-id: expected name or key", errValue))
	}
	if d.Anonymous {
		s.anonymous = d.at.first("anonymous").rule()
	}
	s.plain = c.plain(d)
	if d.Curve != nil {
		s.curve = c.curve(d.Curve)
	}
	if len(d.Principals) > 0 {
		s.gssapi = &gssapiSection{rule: d.at.first("gssapi").rule(), principals: map[string]string{}}
		for i, name := range d.Principals {
			l := d.at.find("principal", i, name)
			c.text(l, "principal", name)
			s.gssapi.principals[name] = l.rule()
		}
	}
	s.sasl = c.sasl(d, s)
	c.passwordFor(d, s)
	c.ownDomain(d, s)
	return s
}

// networks checks addresses and networks.
func (c compiler) networks(at *source, name string, texts []string) (networks []network) {
	for i, text := range texts {
		l := at.find(name, i, text)
		prefix, err := parseNetwork(text)
		if err != nil {
			c.failValue(l, fmt.Errorf("%w: %s: %w", errValue, name, err))
			continue
		}
		if prefix != prefix.Masked() {
			c.warn(l, "%s has host bits set: read as %s", text, prefix.Masked())
		}
		networks = append(networks, network{prefix.Masked(), l.rule()})
	}
	return networks
}

// parseNetwork parses an address or a network.
func parseNetwork(text string) (prefix netip.Prefix, err error) {
	if prefix, err = netip.ParsePrefix(text); err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return prefix, errors.New("expected an address or network, such as 10.0.0.0/8 or fd00::/8")
		}
		if address.Zone() != "" {
			return prefix, fmt.Errorf("an address cannot have a zone: remove %%%s", address.Zone())
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	if address := prefix.Addr(); address.Is4In6() {
		if prefix.Bits() < 96 {
			return prefix, errors.New("part of the IPv4-mapped addresses: expected an IPv4 network, such as 10.0.0.0/8")
		}
		prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
	}
	return prefix, nil
}

// isNil reports whether a keystore is nil, or a nil pointer.
func isNil(r keystore.Reader) bool {
	v := reflect.ValueOf(r)
	return r == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// isThere reports whether an account has a required property. If not, it adds a fault.
func (c compiler) isThere(at *source, name, value string) bool {
	if value == "" && len(at.lines[name]) == 0 {
		c.fail(at.head, fmt.Errorf("account: %w %s", errMissing, name))
		return false
	}
	return true
}

// names checks a list of names, such as those of groups.
func (c compiler) names(at *source, property string, names []string) []string {
	for i, name := range names {
		l := at.find(property, i, name)
		switch {
		case strings.Contains(name, ",") || strings.Trim(name, " ") != name:
			c.failValue(l, fmt.Errorf("%w: %s: %q: expected a name without commas or surrounding spaces", errValue, property, name))
		default:
			c.text(l, property, name)
		}
	}
	return names
}

// isReserved reports whether only ZeroMQ or zauth itself may set metadata with this name.
func isReserved(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "claim-") || zap.IsReserved(name)
}

func (c compiler) curve(from *Curve) *curveSection {
	s := &curveSection{rule: from.at.head.rule(), authorities: map[cert.AuthorityKey]bool{}, groups: c.names(from.at, groupProperty, from.Groups)}
	for i, url := range from.Keystores {
		l := from.at.find("keystore", i, url)
		c.text(l, "keystore", url)
		s.keystores = append(s.keystores, reference{url, l})
	}
	for i, r := range from.Readers {
		l := from.at.find("reader", i, "")
		if isNil(r) {
			c.fail(l, errNil)
			continue
		}
		if _, isStore := r.(keystore.Store); isStore && !reflect.ValueOf(r).Comparable() {
			c.fail(l, fmt.Errorf("%T can't be compared: use a pointer to it", r))
			continue
		}
		s.readers = append(s.readers, reader{r, l})
	}
	for i, key := range from.Authorities {
		if err := key.Check(); err != nil { // without the package name cert in front
			c.failValue(from.at.find("authority", i, key.String()), fmt.Errorf("%w: authority: %w", errValue, errors.Unwrap(err)))
		}
		s.authorities[key] = true
	}
	for i, path := range from.Revocations {
		l := from.at.find("revoked", i, path)
		c.text(l, "revoked", path)
		s.revoked = append(s.revoked, reference{path, l})
	}
	for i, name := range c.names(from.at, "password-for", from.PasswordFor) {
		s.passwordFor = append(s.passwordFor, groupRule{name, from.at.find("password-for", i, name).rule()})
	}
	if from.Any {
		s.any = from.at.first("any").rule()
	}
	isSigned := len(from.Authorities) > 0 || from.unread
	switch l := from.at.head; {
	case from.off:
		return nil
	case !from.Any && len(from.Keystores)+len(from.Readers) == 0:
		c.fail(l, errors.New("curve = 1 needs a keystore, or any = 1"))
	case from.Any && (len(s.groups) > 0 || isSigned):
		c.fail(l, errors.New("any = 1 admits every key: remove it, or remove group and authority"))
	case from.Any && len(s.passwordFor) > 0:
		c.fail(l, errors.New("any = 1 admits every key: remove it, or remove password-for"))
	case len(s.revoked) > 0 && !isSigned:
		c.fail(l, errors.New("revoked needs authority: name the authority that signed the list"))
	}
	return s
}
