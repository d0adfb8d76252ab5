package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
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
	a.metadata = append(metadata, zap.Property{Name: "group", Value: []byte(strings.Join(slices.Compact(groups), ","))})
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
		property := zap.Property{Name: c.Name, Value: []byte(c.Value)}
		switch _, err := (zap.Metadata{property}).Append(nil); {
		case err != nil:
			p.fail(c, fmt.Errorf("%w %s: expected letters, digits and -_.+", ErrName, c.Name))
		case seen[name]:
			p.fail(c, fmt.Errorf("%s %w", c.Name, ErrTwice))
		case isReserved(c.Name):
			p.fail(c, fmt.Errorf("%w %s: ZeroMQ or zauth itself uses this name", ErrName, c.Name))
		}
		seen[name] = true
		m = append(m, property)
	}
	return m
}

// isReserved reports whether a property comes from elsewhere than the policy.
func isReserved(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "claim-") || zap.IsReserved(name)
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
