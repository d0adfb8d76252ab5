package policy

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/internal/nearest"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/zap"
)

// maxFile is the size in bytes of the largest policy file that is read.
const maxFile = 4 << 20

// metadataLines is the name under which an account's source holds the lines of its metadata.
const metadataLines = "metadata/"

// Parse parses the text of a policy file. Paths in the text are relative to the directory
// of the file name, and those in the rules to the working directory. Decisions cite the
// lines of the text. Parse replaces an unhashed password with a hash that is quick to
// check, and therefore easy to guess: don't publish it. If the text is invalid, the error
// lists every fault: an errors.Join of *cert.SyntaxError.
func Parse(name string, text []byte) (Rules, error) {
	c, err := parse(cmp.Or(name, codeName), text)
	if err != nil {
		return nil, err
	}
	return c.rules.inUse(), nil
}

// parser parses a policy file and collects its faults.
type parser struct {
	findings
	file     string
	rules    Rules
	unhashed bool // some password is unhashed
}

// parse parses a policy file and checks the rules in it.
func parse(file string, text []byte) (*config, error) {
	p := &parser{file: file}
	root, warnings, err := zpl.Parse(text)
	var place *zpl.Error
	if errors.As(err, &place) {
		p.failAt(line{file: file, number: place.Line}, place.Column, place.Err)
		return nil, p.err()
	}
	for _, w := range warnings {
		p.warn(line{file: file, number: w.Line}, "%s", w.Text)
	}
	for _, n := range root.Children {
		switch {
		case n.Name == sectionName:
			p.rules = append(p.rules, p.section(n))
		case isMechanism(n):
			p.fail(p.line(n), fmt.Errorf("%w %s: expected it in a section security", errName, n.Name))
		case isNearlySecurity(n):
			p.fail(p.line(n), fmt.Errorf("%w %s: did you mean security?", errName, n.Name))
		case n.HasValue && slices.Contains(securityNames, n.Name): // probably not indented enough
			p.warn(p.line(n), "%s is not in a section security: ignored", n.Name)
		}
	}
	var sections []*section
	if len(p.rules) > 0 || len(p.faults) == 0 {
		sections = compile(p.rules, file, &p.findings)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return &config{file: file, rules: p.rules, sections: sections, warnings: p.warnings, unhashed: p.unhashed}, nil
}

// sectionName is the name of the sections of a policy.
const sectionName = "security"

// isMechanism reports whether a property admits clients by a mechanism when it is in a
// section security.
func isMechanism(n *zpl.Node) bool {
	return n.Value == "1" && slices.Contains([]string{"anonymous", "plain", "curve", "gssapi"}, n.Name)
}

// isNearlySecurity reports whether a section is probably meant as a section security: its
// name is similar, or it contains rules. Ignoring it could admit clients that it refuses.
func isNearlySecurity(n *zpl.Node) bool {
	name := strings.ToLower(n.Name)
	return strings.HasPrefix(name, sectionName) || levenshtein.ComputeDistance(name, sectionName) <= 2 ||
		slices.ContainsFunc(n.Children, func(c *zpl.Node) bool { return c.Name == sectionName || isMechanism(c) })
}

func (p *parser) line(n *zpl.Node) line { return lineOf(p.file, n) }

// parents maps properties that belong in only one place to the property above them.
var parents = map[string]string{
	"keystore": "curve", "authority": "curve", "revoked": "curve", "password-for": "curve", "any": "curve",
	"account": "plain", "login": "account", "password": "account", "metadata": "account",
}

// unknown adds a fault for an unknown name, with the nearest known name.
func (p *parser) unknown(n *zpl.Node, known ...string) {
	if parent := parents[n.Name]; parent != "" {
		p.fail(p.line(n), fmt.Errorf("%w %s: put it below %s", errName, n.Name, parent))
		return
	}
	err := fmt.Errorf("%w %s: expected one of %s", errName, n.Name, strings.Join(known, ", "))
	if near := nearest.Name(n.Name, known); near != "" {
		err = fmt.Errorf("%w %s: did you mean %s?", errName, n.Name, near)
	}
	p.fail(p.line(n), err)
}

// childless adds a fault for each property below one that takes no properties.
func (p *parser) childless(n *zpl.Node) {
	for _, c := range n.Children {
		p.fail(p.line(c), fmt.Errorf("%w %s: %s takes no properties", errName, c.Name, n.Name))
	}
}

// isAgain reports whether a property is a duplicate, and adds a fault if it is.
func (p *parser) isAgain(at *source, n *zpl.Node) bool {
	again := len(at.lines[n.Name]) > 0
	switch {
	case again && n.Name == "password":
		p.fail(p.line(n), fmt.Errorf("%w password: put a hash and a verifier on one line, with a space between", errDuplicate))
	case again:
		p.fail(p.line(n), fmt.Errorf("%w %s", errDuplicate, n.Name))
	}
	return again
}

// note records the line of a property.
func (p *parser) note(at *source, n *zpl.Node) { at.note(n.Name, p.line(n)) }

// value returns a value and records its line.
func (p *parser) value(at *source, n *zpl.Node) string {
	p.childless(n)
	p.note(at, n)
	return n.Value
}

// text is like value, but the value must not be empty if it is there.
func (p *parser) text(at *source, n *zpl.Node) string {
	if n.Value == "" {
		p.failValue(p.line(n), emptyValue(n.Name))
	}
	return p.value(at, n)
}

// path is like value, for a path or the URL of a keystore, made relative to the working
// directory by beside.
func (p *parser) path(at *source, n *zpl.Node, beside func(file, path string) string) string {
	p.childless(n)
	l := p.line(n)
	l.value = beside(p.file, n.Value)
	at.note(n.Name, l)
	return l.value
}

// on returns the value of a switch, which must be 1 or 0.
func (p *parser) on(n *zpl.Node) bool {
	if n.Value != "0" && n.Value != "1" {
		p.failValue(p.line(n), fmt.Errorf("%w: %s: expected 1 or 0", errValue, n.Name))
	}
	return n.Value == "1"
}

// names returns a list of names, with commas between them.
func (p *parser) names(at *source, n *zpl.Node) (names []string) {
	p.childless(n)
	for name := range strings.SplitSeq(n.Value, ",") {
		l := p.line(n)
		l.value = strings.Trim(name, " ")
		at.note(n.Name, l)
		names = append(names, l.value)
	}
	return names
}

var securityNames = []string{"domain", "allow", "deny", "failures", "user-id", "sasl", "anonymous", "plain", "curve", "gssapi", "echo"}

func (p *parser) section(n *zpl.Node) Domain {
	d := Domain{at: &source{head: p.line(n)}}
	if n.HasValue {
		p.failValue(d.at.head, fmt.Errorf("%w: security takes no value: put domain = NAME below it", errValue))
	}
	for _, c := range n.Children {
		if c.Name != "allow" && c.Name != "deny" && c.Name != "sasl" && p.isAgain(d.at, c) {
			continue
		}
		switch c.Name {
		case "domain":
			if d.Name = p.text(d.at, c); d.Name == others {
				d.Name = ""
			}
		case "allow":
			d.Allow = append(d.Allow, p.value(d.at, c))
		case "deny":
			d.Deny = append(d.Deny, p.value(d.at, c))
		case "failures":
			var err error
			if d.Failures, err = strconv.Atoi(p.value(d.at, c)); err != nil {
				d.Failures = -1 // compile refuses it
			}
		case "user-id":
			d.UserID = p.text(d.at, c)
		case "sasl":
			d.SASL = append(d.SASL, p.names(d.at, c)...)
		case "anonymous":
			p.value(d.at, c)
			d.Anonymous = p.on(c)
		case "plain":
			p.note(d.at, c)
			d.Accounts = p.plain(c)
		case "curve":
			p.note(d.at, c)
			d.Curve = p.curve(c)
		case "gssapi":
			p.note(d.at, c)
			d.Principals = p.gssapi(d.at, c)
		case "echo": // FileMQ prints the value
		default:
			p.unknown(c, securityNames...)
		}
	}
	return d
}

func (p *parser) plain(n *zpl.Node) (accounts []Account) {
	if login := n.Child("login"); login != nil {
		p.fail(p.line(login), fmt.Errorf("%w login: a client logs in with it; in a policy it is in a section account", errName))
		return nil
	}
	on := p.on(n)
	for _, c := range n.Children {
		if c.Name != "account" {
			p.unknown(c, "account")
			continue
		}
		a := p.account(c)
		a.off = !on
		accounts = append(accounts, a)
	}
	if on && len(accounts) == 0 {
		p.warn(p.line(n), "plain = 1 without an account: no client is admitted by PLAIN")
	}
	return accounts
}

func (p *parser) account(n *zpl.Node) Account {
	a := Account{at: &source{head: p.line(n)}}
	for _, c := range n.Children {
		if c.Name != "group" && p.isAgain(a.at, c) {
			continue
		}
		switch c.Name {
		case "login":
			a.Login = p.value(a.at, c)
		case "password":
			if a.Hash = p.value(a.at, c); isUnhashed(a.Hash) {
				if hasHash(a.Hash) {
					p.failValue(p.line(c), errUnhashed)
				}
				a.Hash = quickHash(a.Hash)
				p.unhashed = true
				p.warn(p.line(c), `unhashed password: replace it with the output of "zauth hash"`)
			}
		case "group":
			a.Groups = append(a.Groups, p.names(a.at, c)...)
		case "user-id":
			a.UserID = p.text(a.at, c)
		case "metadata":
			p.note(a.at, c)
			a.Metadata = p.metadata(a.at, c)
		default:
			p.unknown(c, "login", "password", "group", "user-id", "metadata")
		}
	}
	return a
}

// quickKey makes the salts of unhashed passwords differ from those of other processes.
var quickKey = []byte(rand.Text())

// quickHash returns a hash of a password that is quick to compute. In one process, it always
// returns the same, so that reading a file again changes no account.
func quickHash(password string) string {
	salt := hmac.New(sha256.New, quickKey)
	salt.Write([]byte(password))
	h := argon2Hash{Parameters: argon.Parameters{Memory: 8, Passes: 1, Lanes: 1}, salt: salt.Sum(nil)[:16]}
	h.hash = h.Key([]byte(password), h.salt, 32)
	return h.String()
}

func (p *parser) metadata(at *source, n *zpl.Node) (m zap.Metadata) {
	if n.HasValue {
		p.failValue(p.line(n), fmt.Errorf("%w: metadata takes no value: put NAME = VALUE below it", errValue))
	}
	for _, c := range n.Children {
		p.childless(c)
		at.note(metadataLines, p.line(c))
		m = append(m, zap.Metadata{{c.Name, c.Value}}...)
	}
	return m
}

func (p *parser) curve(n *zpl.Node) *Curve {
	s := &Curve{at: &source{head: p.line(n)}, off: !p.on(n)}
	for _, c := range n.Children {
		switch c.Name {
		case "keystore":
			s.Keystores = append(s.Keystores, p.path(s.at, c, storeBeside))
		case "group":
			s.Groups = append(s.Groups, p.names(s.at, c)...)
		case "authority":
			key, err := cert.ParseAuthorityKey(p.value(s.at, c))
			if err != nil {
				p.failValue(p.line(c), fmt.Errorf("%w: authority: %w (zcert pubkey NAME.authority prints it)", errValue, errors.Unwrap(err)))
				s.unread = true
				continue
			}
			s.Authorities = append(s.Authorities, key)
		case "revoked":
			s.Revocations = append(s.Revocations, p.path(s.at, c, beside))
		case "password-for":
			s.PasswordFor = append(s.PasswordFor, p.names(s.at, c)...)
		case "any":
			if !p.isAgain(s.at, c) {
				p.value(s.at, c)
				s.Any = p.on(c)
			}
		default:
			p.unknown(c, "keystore", "group", "authority", "revoked", "password-for", "any")
		}
	}
	return s
}

func (p *parser) gssapi(at *source, n *zpl.Node) (principals []string) {
	on := p.on(n)
	for _, c := range n.Children {
		if c.Name != "principal" {
			p.unknown(c, "principal")
			continue
		}
		principals = append(principals, p.value(at, c))
	}
	switch {
	case !on:
		return nil
	case len(principals) == 0:
		p.fail(p.line(n), errors.New("gssapi = 1 needs a principal"))
	}
	return principals
}

// beside converts a path relative to a file to one relative to the working directory.
func beside(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// storeBeside does the same for the URL of a keystore.
func storeBeside(file, url string) string { return storeurl.Beside(filepath.Dir(file), url) }
