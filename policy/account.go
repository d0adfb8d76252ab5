package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/stringprep"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// plainSection holds the checked Accounts of a Domain.
type plainSection struct {
	rule      string
	accounts  []*account
	hashes    bool     // some account has a hash, for PLAIN
	verifiers bool     // some account has a verifier, for SCRAM
	hashOnly  []string // the logins without a verifier
}

// account is a checked Account.
type account struct {
	rule     string
	login    string
	password *password      // nil without a hash
	verifier *sasl.Verifier // nil without a verifier
	userID   string         // "" if a reply can't carry it
	groups   []string
	metadata zap.Metadata // including the groups
}

func (c compiler) plain(d *Domain) *plainSection {
	s := &plainSection{rule: d.at.first("plain").rule()}
	logins, prepared := map[string]bool{}, map[string]*account{}
	for i := range d.Accounts {
		from := &d.Accounts[i]
		a := c.account(from)
		if logins[a.login] {
			c.fail(from.at.head, fmt.Errorf("%w account %q", errDuplicate, a.login))
		}
		form, _ := stringprep.SASLprep.Prepare(a.login)
		if same := prepared[form]; same != nil && form != "" && !logins[a.login] && (a.verifier != nil || same.verifier != nil) {
			c.fail(from.at.head, fmt.Errorf("%w account %q: SCRAM clients cannot tell its login from %q", errDuplicate, a.login, same.login))
		}
		logins[a.login], prepared[form] = true, a
		if !from.off {
			s.accounts = append(s.accounts, a)
			s.hashes = s.hashes || a.password != nil
			s.verifiers = s.verifiers || a.verifier != nil
			if a.verifier == nil {
				s.hashOnly = append(s.hashOnly, a.login)
			}
		}
	}
	if len(s.accounts) == 0 {
		return nil
	}
	return s
}

func (c compiler) account(from *Account) *account {
	a := &account{rule: from.at.head.rule(), login: from.Login, userID: from.UserID}
	if c.isThere(from.at, "login", from.Login) {
		c.text(from.at.first("login"), "login", from.Login)
	}
	if c.isThere(from.at, "password", from.Hash) {
		var err error
		if a.password, a.verifier, err = parseHashes(from.Hash); err != nil {
			c.failValue(from.at.first("password"), err)
		} else {
			c.writable(from.at.first("password"), "password", from.Hash)
		}
	}
	if a.verifier != nil {
		c.verifier(from, a.verifier)
	}
	if l := from.at.first("user-id"); isUserID(a.userID) {
		c.writable(l, "user-id", a.userID)
	} else {
		c.failValue(l, fmt.Errorf("%w: user-id: expected printable ASCII, at most %d characters", errValue, maxText))
	}
	switch {
	case a.userID != "":
	case isUserID(a.login):
		a.userID = a.login
	default:
		c.warn(from.at.first("login"), "account %q has an empty user id, because its login is not printable ASCII: set user-id", a.login)
	}
	if _, err := curve.ParsePublicKey(a.userID); err == nil {
		c.fail(from.at.head, fmt.Errorf("%w: the user id %s reads as a key: a CURVE client could have the same", errValue, a.userID))
	}
	a.groups = slices.Clone(c.names(from.at, groupProperty, from.Groups))
	slices.Sort(a.groups)
	a.groups = slices.Compact(a.groups)
	a.metadata = append(c.metadata(from), zap.Metadata{{groupProperty, strings.Join(a.groups, ",")}}...)
	a.metadata = slices.Clip(a.metadata) // a program may append to the metadata of a reply
	return a
}

// verifier checks an account with a verifier.
func (c compiler) verifier(from *Account, v *sasl.Verifier) {
	l := from.at.first("login")
	switch form, err := stringprep.SASLprep.Prepare(from.Login); {
	case from.Login == "": // already reported as a fault
	case err != nil || form == "":
		c.failValue(l, fmt.Errorf("%w: login: SCRAM clients cannot send it: SASLprep (RFC 4013) prohibits a character", errValue))
	case form != from.Login:
		c.failValue(l, fmt.Errorf("%w: login: SCRAM clients send it as %q: write it in this form (SASLprep, RFC 4013)", errValue, form))
	}
	if n := v.Iterations(); n < fewIterations {
		c.warn(from.at.first("password"), `the verifier has %d iterations, fewer than %d: replace it with the output of "zauth hash --scram"`, n, fewIterations)
	}
}

// fewIterations is the number of iterations below which there is a warning, because someone
// who steals the verifier can guess passwords too fast.
const fewIterations = 100_000

// metadata checks the metadata of an account.
func (c compiler) metadata(a *Account) (m zap.Metadata) {
	seen := map[string]bool{groupProperty: true} // Groups has the groups
	for i, property := range a.Metadata {
		l := a.at.find(metadataLines, i, property.Value)
		name := strings.ToLower(property.Name)
		one := zap.Metadata{property}
		switch _, err := one.Append(nil); {
		case err != nil || zpl.CheckName(name) != nil:
			c.fail(l, fmt.Errorf("%w %s: expected letters, digits and -_.+", errName, property.Name))
		case seen[name]:
			c.fail(l, fmt.Errorf("%w %s", errDuplicate, property.Name))
		case isReserved(name):
			c.fail(l, fmt.Errorf("%w %s: ZeroMQ or zauth itself uses this name", errName, property.Name))
		case len(m) == zap.MaxProperties-1: // one line is for the groups
			c.fail(l, fmt.Errorf("%w: metadata has more than %d lines", errValue, zap.MaxProperties-1))
		}
		c.writable(l, property.Name, property.Value)
		seen[name] = true
		m = append(m, property)
	}
	return m
}
