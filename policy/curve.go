package policy

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// curveRules decides which keys to admit.
type curveRules struct {
	*curveSection
	stores []storeRule
	// mayBlock reports whether any of the stores is a program's keystore with Lookup
	// only, such as a database.
	mayBlock bool
	lists    []listRule
	memory   *memory
	grants   *grants // of all domains

	// The keystores and lists of all domains: a key that is revoked in one domain is
	// refused in all.
	otherStores []keystore.Store
	otherLists  []listRule
}

// storeRule is a keystore and the rule that names it.
type storeRule struct {
	reader keystore.Reader
	store  keystore.Store // the reader, or nil if that has Lookup only
	rule   string         // "": cite the place of the identity
	line   string         // cited for an identity without a place
}

// lookup returns the identity with a key.
func (s *storeRule) lookup(key curve.PublicKey) (id *keystore.Identity, ok bool) {
	id, ok = s.reader.Lookup(key)
	return id, ok && id != nil && id.Certificate != nil // a program's reader may have bugs
}

// isFaulty reports whether an identity has a different key or an invalid certificate. A
// keystore.Store has already checked this. A program's own Reader may return identities
// from anywhere.
func (s *storeRule) isFaulty(id *keystore.Identity, key curve.PublicKey, now time.Time) bool {
	faulty := func(c *cert.Certificate) bool {
		if c == nil || c.Public != key {
			return true
		}
		err := c.Check(now)
		return err != nil && !errors.Is(err, cert.ErrExpired) && !errors.Is(err, cert.ErrNotYetValid) // refuses reports these
	}
	return s.store == nil && (faulty(id.Certificate) || slices.ContainsFunc(id.Others, faulty))
}

// place returns the rule to cite for an identity.
func (s *storeRule) place(id *keystore.Identity) string { return cmp.Or(s.rule, id.Place, s.line) }

// listRule is a revocation list and the rule that names it.
type listRule struct {
	rule  string
	line  line
	list  *cert.RevocationList
	sum   [sha256.Size]byte // hash of its text
	path  string
	stamp follow.Stamp
}

// decide decides whether to admit a client that has proved that it holds its key. It
// returns what an identity grants as well.
func (c *curveRules) decide(key curve.PublicKey, now time.Time) (reply zap.Reply, g *granted) {
	if why, rule, name := c.revocation(key, now); why != "" {
		return refuseIdentity(why, rule, name), nil
	}
	why, where, name := "unknown key", c.rule, ""
	for i := range c.stores {
		s := &c.stores[i]
		id, ok := s.lookup(key)
		if !ok {
			continue
		}
		rule := s.place(id)
		if s.isFaulty(id, key, now) {
			why, where, name = "invalid certificate in the keystore", rule, id.Name
			continue
		}
		certificate, reason, by, final := c.accept(id, rule, now)
		if certificate == nil {
			if final {
				return refuseIdentity(reason, by, id.Name), nil
			}
			why, where, name = reason, by, id.Name
			continue
		}
		g = c.granted(id, certificate)
		if len(c.stores) > 1 {
			if more := c.elsewhere(i, key, now); len(more) > 0 {
				g = g.in(more)
			}
		}
		if !c.admits(g.groups) {
			why, where, name = "not in an allowed group", rule, id.Name
			continue
		}
		reply := zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: g.userID, Metadata: g.metadata, Rule: rule, Identity: id.Name}
		if c.isTaken(i, g.userID, key) {
			reply.UserID = g.keyID
		}
		return reply, g
	}
	if c.any != "" && isSound(key) {
		return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: key.String(), Rule: c.any}, nil
	}
	return refuseIdentity(why, where, name), nil
}

// isSound reports whether only its owner can hold the secret key: the public key is not a
// point of small order, and its secret key is not published.
func isSound(key curve.PublicKey) bool {
	return cert.CheckKey(key) == nil
}

// groupProperty is the name of the property that lists a client's groups.
const groupProperty = "group"

// refuseIdentity refuses a client whose identity is known.
func refuseIdentity(reason, rule, name string) zap.Reply {
	reply := refuse(reason, rule)
	reply.Identity = name
	return reply
}

// revocation returns the reason why a key is refused whatever its certificate, the rule,
// and the identity's name, if a keystore or a revocation list of the policy revokes the
// key, or did so before. Otherwise, the reason is "".
func (c *curveRules) revocation(key curve.PublicKey, now time.Time) (why, rule, name string) {
	found := func(r *keystore.RevokedKey, rule string) (string, string, string) {
		if rule == "" {
			rule = c.rule
		}
		return printable("key " + r.String()), rule, r.Name
	}
	for i := range c.stores {
		s := &c.stores[i]
		if s.store == nil {
			continue
		}
		if r, ok := s.store.Revocation(key); ok {
			return found(r, s.rule)
		}
	}
	for _, s := range c.otherStores {
		if r, ok := s.Revocation(key); ok {
			return found(r, c.rule)
		}
	}
	if r, ok := c.memory.revocation(key); ok {
		return found(r, c.rule)
	}
	for _, lists := range [...][]listRule{c.lists, c.otherLists} {
		for _, l := range lists {
			if err := l.list.Check(&cert.Certificate{Public: key}, now); err != nil {
				return revokedText(err), l.rule, c.nameOf(key)
			}
			if r, ok := c.memory.listed(l.list.Authority, &cert.Certificate{Public: key}); ok {
				return printable("certificate " + r.String()), l.rule, c.nameOf(key)
			}
		}
	}
	return "", "", ""
}

// nameOf returns the name of the identity with a key, or "".
func (c *curveRules) nameOf(key curve.PublicKey) string {
	for _, s := range c.stores {
		if id, ok := s.lookup(key); ok {
			return id.Name
		}
	}
	return ""
}

// revokedText returns the reason for refusing a certificate that a list revokes.
func revokedText(err error) string {
	return printable("certificate " + strings.TrimPrefix(err.Error(), "cert: "))
}

// maxText is the size in bytes of the longest text, and of the longest user id, in a reply
// (RFC 27).
const maxText = 255

// printable returns a text in a form that a reply can carry: ASCII, and at most maxText bytes.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxText)]
}

// accept returns the certificate that admits an identity. If there is none, it returns
// the reason and the rule; final means that neither another keystore nor any can admit
// the identity.
func (c *curveRules) accept(id *keystore.Identity, rule string, now time.Time) (accepted *cert.Certificate, why, where string, final bool) {
	if why, where, final = c.refuses(id.Certificate, rule, now); why == "" {
		return id.Certificate, "", "", false
	}
	for _, other := range id.Others {
		if why, _, _ := c.refuses(other, rule, now); why == "" {
			return other, "", "", false
		}
	}
	return nil, why, where, final
}

// refuses returns the reason for not accepting a certificate now, or "".
func (c *curveRules) refuses(certificate *cert.Certificate, rule string, now time.Time) (why, where string, final bool) {
	if err := certificate.Validity.Check(now); err != nil {
		if errors.Is(err, cert.ErrNotYetValid) {
			return "certificate not yet valid", rule, true
		}
		return "certificate expired", rule, true
	}
	if len(c.authorities) > 0 && !c.authorities[certificate.Authority] {
		return "not signed by a trusted authority", rule, false
	}
	for _, l := range c.lists {
		if r, ok := c.memory.listed(l.list.Authority, certificate); ok {
			return printable("certificate " + r.String()), l.rule, true
		}
		switch err := l.list.Check(certificate, now); {
		case err == nil:
		case errors.Is(err, cert.ErrRevoked):
			return revokedText(err), l.rule, true
		case !now.Before(l.list.Expires):
			return printable("revocation list expired on " + l.list.Expires.Format(time.RFC3339) + ": run zcert revoke to renew " + l.path), l.rule, true
		default:
			return "revocation list not yet valid", l.rule, true
		}
	}
	return "", "", false
}

// admits reports whether the section admits one of these groups.
func (c *curveRules) admits(groups []string) bool {
	if len(c.groups) == 0 {
		return true
	}
	for _, g := range groups {
		if slices.Contains(c.groups, g) {
			return true
		}
	}
	return false
}

// elsewhere returns the groups that a key has in the keystores after the i-th.
func (c *curveRules) elsewhere(i int, key curve.PublicKey, now time.Time) (groups []string) {
	for _, s := range c.stores[i+1:] {
		id, ok := s.lookup(key)
		if !ok || s.isFaulty(id, key, now) {
			continue
		}
		if certificate, _, _, _ := c.accept(id, s.rule, now); certificate != nil {
			groups = append(groups, c.granted(id, certificate).groups...)
		}
	}
	return groups
}

// memberRule returns the rule by which a key needs a password as well, or "". Its groups in
// all keystores count, by any of its certificates, valid or not. Otherwise, the key would need
// no password once the certificate with the group expires.
func (c *curveRules) memberRule(key curve.PublicKey) string {
	for i := range c.stores {
		id, ok := c.stores[i].lookup(key)
		if !ok {
			continue
		}
		if rule := c.passwordFor.rule(c.granted(id, id.Certificate).groups); rule != "" {
			return rule
		}
		for _, other := range id.Others {
			if other == nil { // a program's reader may have bugs
				continue
			}
			if rule := c.passwordFor.rule(c.granted(id, other).groups); rule != "" {
				return rule
			}
		}
	}
	return ""
}

// isTaken reports whether another identity has this user id as its name in a keystore
// before the i-th.
func (c *curveRules) isTaken(i int, userID string, own curve.PublicKey) bool {
	for _, s := range c.stores[:i] {
		if s.store == nil {
			continue
		}
		if key, ok := s.store.Holder(userID); ok && key != own {
			return true
		}
	}
	return false
}
