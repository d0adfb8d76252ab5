package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/internal/zpl"
)

// writer writes rules as a policy file and records their lines.
type writer struct {
	file  string
	lines int
	text  strings.Builder
}

// write returns the rules as text, and a copy with the lines in that text.
func (r Rules) write(file string) (text string, written Rules) {
	w := writer{file: file}
	for _, d := range r {
		written = append(written, w.domain(d))
	}
	return w.text.String(), written
}

func (w *writer) domain(d Domain) Domain {
	d.at = &source{head: w.line(0, "security")}
	if d.Name != "" && d.Name != others {
		w.property(d.at, 1, "domain", d.Name)
	}
	w.properties(d.at, 1, "allow", d.Allow)
	w.properties(d.at, 1, "deny", d.Deny)
	if d.Failures != 0 {
		w.property(d.at, 1, "failures", strconv.Itoa(d.Failures))
	}
	if d.UserID != "" {
		w.property(d.at, 1, "user-id", d.UserID)
	}
	w.properties(d.at, 1, "sasl", d.SASL)
	if d.Anonymous {
		w.property(d.at, 1, "anonymous", "1")
	}
	if len(d.Accounts) > 0 {
		w.property(d.at, 1, "plain", "1")
		d.Accounts = slices.Clone(d.Accounts)
		for i := range d.Accounts {
			w.account(&d.Accounts[i])
		}
	}
	if d.Curve != nil {
		d.Curve = w.curve(*d.Curve)
	}
	if len(d.Principals) > 0 {
		w.property(d.at, 1, "gssapi", "1")
		w.properties(d.at, 2, "principal", d.Principals)
	}
	return d
}

func (w *writer) account(a *Account) {
	a.at = &source{head: w.line(2, "account")}
	for _, p := range [...]struct{ name, value string }{{"login", a.Login}, {"password", a.Hash}, {"user-id", a.UserID}} {
		if p.value != "" {
			w.property(a.at, 3, p.name, p.value)
		}
	}
	w.properties(a.at, 3, "group", a.Groups)
	if len(a.Metadata) > 0 {
		w.line(3, "metadata")
		for _, p := range a.Metadata {
			a.at.note(metadataLines, w.value(4, p.Name, p.Value))
		}
	}
}

func (w *writer) curve(c Curve) *Curve {
	c.at = &source{head: w.value(1, "curve", "1")}
	w.properties(c.at, 2, "keystore", c.Keystores)
	for range c.Readers {
		c.at.note("reader", w.line(2, "# keystore of the program"))
	}
	w.properties(c.at, 2, "group", c.Groups)
	for _, a := range c.Authorities {
		w.property(c.at, 2, "authority", a.String())
	}
	w.properties(c.at, 2, "revoked", c.Revocations)
	w.properties(c.at, 2, "password-for", c.PasswordFor)
	if c.Any {
		w.property(c.at, 2, "any", "1")
	}
	return &c
}

func (w *writer) properties(at *source, depth int, name string, values []string) {
	for _, v := range values {
		w.property(at, depth, name, v)
	}
}

func (w *writer) property(at *source, depth int, name, value string) {
	at.note(name, w.value(depth, name, value))
}

// value writes a line with a value. It escapes a value that ZPL can't hold; compile
// refuses such values.
func (w *writer) value(depth int, name, value string) line {
	if zpl.CheckName(name) != nil { // compile refuses it
		name = strconv.QuoteToASCII(name)
	}
	quoted, err := quote(value)
	if err != nil {
		quoted = strconv.QuoteToASCII(value)
	}
	l := w.line(depth, name+" = "+quoted)
	l.value, l.valueColumn = value, l.column+len(name)+len(" = ")
	if quoted != value {
		l.valueColumn++
	}
	return l
}

func (w *writer) line(depth int, text string) line {
	const indent = "    "
	w.lines++
	fmt.Fprintf(&w.text, "%s%s\n", strings.Repeat(indent, depth), text)
	return line{file: w.file, number: w.lines, column: 1 + depth*len(indent)}
}

// bare matches values that need no quotes.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./:@-]+$`)

// quote returns a value as ZPL reads it, in quotes if it needs them.
func quote(value string) (string, error) {
	if bare.MatchString(value) {
		return value, nil
	}
	err := zpl.CheckValue(value)
	if err == nil && !strings.Contains(value, `"`) {
		return `"` + value + `"`, nil
	}
	if err == nil {
		return "'" + value + "'", nil
	}
	// ZPL can read many values that contain both kinds of quotes.
	for _, q := range []string{`"`, "'"} {
		quoted := q + value + q
		if root, _, parseErr := zpl.Parse([]byte("value = " + quoted)); parseErr == nil && len(root.Children) == 1 && root.Children[0].Value == value {
			return quoted, nil
		}
	}
	return "", err
}
