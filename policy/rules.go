package policy

import (
	"slices"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// Rules say which clients to admit, for each ZAP domain (RFC 27). [Parse] reads them from
// text; a program can also write them as a literal. [New] returns a policy with a copy of
// them; it refuses empty rules.
//
// Plain data: don't change it while it is in use.
type Rules []Domain

// A Domain says which clients to admit to the services of one domain. It refuses each
// mechanism whose field is not set.
type Domain struct {
	// Name is the domain. Empty means every domain that no other Domain names.
	Name string
	// Allow and Deny are IP addresses and networks, such as 10.0.0.0/8. An empty Allow
	// allows all addresses. Deny takes precedence over Allow.
	Allow, Deny []string
	// Failures is the number of refusals per minute after which an address is refused.
	// Zero means 60, counting wrong passwords only.
	Failures int
	// UserID selects the user id of CURVE clients: "name" or "key". Empty means name.
	UserID string

	// SASL lists the mechanisms that servers of package sasl may offer, such as
	// sasl.ScramSHA256Plus. If empty, they offer every mechanism by which the domain can admit
	// clients, but SCRAM beside PLAIN only if every account has a verifier. PLAIN is offered
	// over an unencrypted connection only if it is listed.
	SASL []string

	Anonymous  bool      // admit every client by NULL, unencrypted
	Accounts   []Account // clients to admit by PLAIN and SCRAM
	Curve      *Curve    // clients to admit by CURVE
	Principals []string  // clients to admit by GSSAPI

	at *source
}

// An Account is a user who logs in with a password, by PLAIN or SCRAM.
type Account struct {
	// Login is the user name. With a verifier, it must be in the form of SASLprep
	// (RFC 4013).
	Login string
	// Hash is the password's hash, from [HashPassword] or bcrypt, for PLAIN; or its verifier,
	// from sasl.NewVerifier, for SCRAM; or one of each, separated by a space.
	Hash string
	// UserID is the user id of the client. Empty means the login.
	UserID string
	// Groups and Metadata are passed to services with the client's user id.
	Groups   []string
	Metadata zap.Metadata

	at  *source
	off bool // switched off: checked, but not used
}

// Curve says which clients to admit by CURVE: those in a keystore, if they are in one of
// the groups and one of the authorities signed their certificate.
type Curve struct {
	// Keystores are URLs of keystores. The policy opens, watches and closes them.
	Keystores []string
	// Readers are keystores that the program watches and closes. Keys that are revoked in
	// a keystore.Store are refused in all domains, and remembered. Any other Reader is
	// asked for each decision. The policy checks the keys and signatures of its
	// certificates. In text, Readers are a comment.
	Readers []keystore.Reader
	// Groups are the groups to admit. Empty means every client in a keystore.
	Groups []string
	// Authorities are the authorities to trust. Empty means that certificates need no
	// signature.
	Authorities []cert.AuthorityKey
	// Revocations are files of revocation lists of the authorities.
	Revocations []string
	// PasswordFor lists the groups whose keys need a password as well, by SCRAM-SHA-256-PLUS, or
	// "*" for every key. Key and account must have the same user id. The groups of the account
	// count for the key, too. If PasswordFor is set, a password without a key admits nobody in
	// the domain, and Anonymous and Principals are errors. If one of several Readers fails to
	// look up a key, so that another admits it, the groups that the first has don't count: list
	// "*" then.
	PasswordFor []string
	// Any admits every key: encryption without authentication.
	Any bool

	at     *source
	off    bool // switched off: checked, but not used
	unread bool // the text has an authority that is invalid
}

// codeName is cited by decisions instead of a file name, for rules of a program.
const codeName = "rules"

// String returns the rules as the text of a policy file in the working directory. Parse reads
// the same rules from it, except Readers, which are comments. Decisions by rules of a program
// cite its lines, such as rules:4. If New refuses the rules, the text may read differently.
func (r Rules) String() string {
	text, _ := r.write(codeName)
	return text
}

// located returns a deep copy in which each part has its line, in the parsed file or in
// the text that String returns.
func (r Rules) located() Rules {
	_, written := r.write(codeName)
	for i := range written {
		from, to := &r[i], &written[i]
		to.Allow, to.Deny, to.Principals = slices.Clone(to.Allow), slices.Clone(to.Deny), slices.Clone(to.Principals)
		to.SASL = slices.Clone(to.SASL)
		if from.at != nil {
			to.at = from.at
		}
		for j := range from.Accounts {
			a := &to.Accounts[j]
			a.Groups, a.Metadata = slices.Clone(a.Groups), slices.Clone(a.Metadata)
			if from.Accounts[j].at != nil {
				a.at = from.Accounts[j].at
			}
		}
		if c := to.Curve; c != nil {
			c.Keystores, c.Readers, c.Groups = slices.Clone(c.Keystores), slices.Clone(c.Readers), slices.Clone(c.Groups)
			c.Authorities, c.Revocations = slices.Clone(c.Authorities), slices.Clone(c.Revocations)
			c.PasswordFor = slices.Clone(c.PasswordFor)
			if from.Curve.at != nil {
				c.at = from.Curve.at
			}
		}
	}
	return written
}

// inUse removes the parts that are switched off.
func (r Rules) inUse() Rules {
	for i := range r {
		d := &r[i]
		d.Accounts = slices.DeleteFunc(d.Accounts, func(a Account) bool { return a.off })
		if d.Curve != nil && d.Curve.off {
			d.Curve = nil
		}
	}
	return r
}

// isUserID reports whether a reply can carry a name as a user id (RFC 27): at most 255 bytes
// of printable ASCII.
func isUserID(name string) bool {
	return len(name) <= maxText && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}
