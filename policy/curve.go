package policy

import (
	"errors"
	"slices"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// curveRules decides about keys.
type curveRules struct {
	*curveSection
	stores []storeRule
	lists  []listRule
}

// storeRule is a keystore, by a rule.
type storeRule struct {
	store keystore.Store
	rule  string
}

// listRule is a revocation list, by a rule.
type listRule struct {
	list *cert.RevocationList
	rule string
}

// decide decides about a client that has proved its key.
func (c *curveRules) decide(req *zap.Request, now time.Time) zap.Reply {
	octets, ok := req.CurveKey()
	if !ok {
		return refuse("want a key of 32 octets", c.rule)
	}
	key := curve.PublicKey(octets)
	reason, rule := "unknown key", c.rule
	for _, s := range c.stores {
		id, ok := s.store.Lookup(key)
		if !ok {
			continue
		}
		if why := invalid(id, now); why != "" {
			// Even if all keys may come in, or another store has it: it was taken
			// back, or was meant for another time.
			return refuse(why, s.rule)
		}
		if !c.authorities[id.Certificate.Authority] && len(c.authorities) > 0 {
			reason, rule = "not signed by an authority that is trusted", s.rule
			continue
		}
		if why, where := c.takenBack(id.Certificate, now); why != "" {
			return refuse(why, where)
		}
		if !c.inGroup(id) {
			reason, rule = "not in a group that is allowed", s.rule
			continue
		}
		return grant(id, s.rule)
	}
	if c.any != "" && key.Check() == nil {
		return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: key.String(), Rule: c.any}
	}
	return refuse(reason, rule)
}

// takenBack says why an authority has taken a certificate back, and by which
// rule, or "".
func (c *curveRules) takenBack(certificate *cert.Certificate, now time.Time) (why, rule string) {
	for _, l := range c.lists {
		switch err := l.list.Check(certificate, now); {
		case err == nil:
		case errors.Is(err, cert.ErrRevoked):
			return "certificate revoked", l.rule
		default:
			return "the revocation list can't be relied on", l.rule
		}
	}
	return "", ""
}

// inGroup reports whether an identity is in one of the groups that may come in.
func (c *curveRules) inGroup(id *keystore.Identity) bool {
	return len(c.groups) == 0 || slices.ContainsFunc(c.groups, id.InGroup)
}
