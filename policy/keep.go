package policy

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Keep implements zap.Keeper. It watches an admission, and calls end at most once, with the
// new decision, when the admission no longer holds. req is the request as it was decided, and
// reply is the decision; Keep retains no credentials that are secret. The admission ends if the key is revoked, the
// identity leaves the keystore or expires, the account or its password changes, or the rules
// no longer admit the client. If the client would now be admitted with another user id or
// other metadata, the new decision is StatusTryLater. Too many failures from the client's
// address do not end it.
//
// Keep notices changes of the rules and of keystores within a second, and those of other
// processes while Watch runs. A keystore.Reader that is not a keystore.Store reports no
// changes: Reload checks its clients. While a keystore can't be read, its known identities
// stay admitted.
//
// end may run before Keep returns, and in any goroutine. It must not block. release ends the
// watch; it may be called more than once, and end may still be running when it returns. After
// Close, there are no more calls of end. Safe for concurrent use.
func (p *Policy) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func()) {
	if reply.Status != zap.StatusOK {
		return func() {}
	}
	k, s := &p.keeper, p.current.Load()
	a := &admission{rules: &p.current, domain: strings.Clone(req.Domain), address: strings.Clone(req.Address), mechanism: strings.Clone(req.Mechanism),
		userID: reply.UserID, metadata: reply.Metadata, end: end, place: -1}
	a.identify(req)
	a.name = a.userID
	if a.hasKey && a.name == a.key.String() {
		a.name = reply.Identity
	}
	a.account = s.provenAccount(req)
	mayBlock := req.Mechanism != zap.Plain && !s.isPrompt(req)
	if !k.add(a, mayBlock) {
		return func() {}
	}
	if !mayBlock {
		k.check(a)
	}
	return func() { k.release(a) }
}

// KeepUnrevoked calls end at most once, when a key is revoked, with the reason (see Revoked).
// It is like Keep otherwise.
func (p *Policy) KeepUnrevoked(key curve.PublicKey, end func(reason string)) (release func()) {
	k := &p.keeper
	a := &admission{rules: &p.current, key: key, hasKey: true, unrevoked: true, end: func(reply zap.Reply) { end(reply.Text) }, place: -1}
	if !k.add(a, false) {
		return func() {}
	}
	k.check(a)
	return func() { k.release(a) }
}

// identify sets whom the client has proved to be.
func (a *admission) identify(req *zap.Request) {
	switch {
	case malformed(req) != "":
	case req.Mechanism == zap.Curve:
		a.key, a.hasKey = req.CurveKey()
	case req.Mechanism == zap.Plain:
		a.login = string(req.Credentials[0])
	case isScram(req.Mechanism):
		a.login, _, a.key, _ = req.ScramLogin()
		a.hasKey = req.Mechanism == zap.ScramSHA256Plus
	case req.Mechanism == zap.GSSAPI:
		a.login, _ = req.Principal()
	}
}

// provenAccount returns the account whose present password the client has proved, or nil. The
// rules may have changed since the decision.
func (s *snapshot) provenAccount(req *zap.Request) *account {
	if s == nil || malformed(req) != "" {
		return nil
	}
	d := s.domain(req.Domain)
	switch {
	case d == nil:
	case req.Mechanism == zap.Plain && d.plain != nil:
		login, text := req.Credentials[0], req.Credentials[1]
		if d.plain.cache.holds(d.plain.cache.sum(login, text)) {
			return d.plain.accounts[string(login)]
		}
	case isScram(req.Mechanism) && d.scram != nil:
		login, clientKey, _, _ := req.ScramLogin()
		if a := d.scram.accounts[login]; a != nil && a.verifier.Matches(clientKey[:]) {
			return a
		}
	}
	return nil
}

// changedText is the text of the reply that ends an admission because the client would now be
// admitted as somebody else.
const changedText = "changed: connect again"

// verdict is the result of checking an admission.
type verdict struct {
	reply zap.Reply // of StatusOK if the admission holds
	final bool      // no change in progress can be the reason
	until time.Time // when it may change by itself; zero for never
}

// check decides about an open admission again, without a password.
func (s *snapshot) check(a *admission, now time.Time) (v verdict) {
	defer func() {
		if recover() != nil { // in a program's keystore; the next decision fails as well, and says so
			v = verdict{reply: zap.Reply{Status: zap.StatusTryLater, Text: "checking the admission failed: connect again"}}
		}
	}()
	v.final = true
	if a.unrevoked {
		return s.checkUnrevoked(a.key, now)
	}
	if s == nil {
		v.reply = refuse("no policy", "")
		return v
	}
	d := s.domain(a.domain)
	if d == nil {
		v.reply = refuse("no rule for this domain", s.file)
		return v
	}
	c := parseClient(a.address)
	if reason, rule := d.check(&c); reason != "" {
		v.reply = refuse(reason, rule)
		return v
	}
	if c.bad && d.failures != 0 {
		v.reply = refuse("not an IP address", d.rule)
		return v
	}
	v.reply = d.checkProof(a, now)
	if v.reply.Status == zap.StatusOK && (v.reply.UserID != a.userID || !slices.Equal(withNoGroups(v.reply.Metadata), withNoGroups(a.metadata))) {
		v.reply = zap.Reply{Status: zap.StatusTryLater, Text: changedText, Rule: v.reply.Rule, Identity: v.reply.Identity}
	}
	if a.hasKey {
		why, _, _ := d.keys.revocation(a.key, now)
		v.final = why != ""
		v.until = d.keys.nextChange(a.key, now)
	}
	return v
}

// checkUnrevoked decides about a key that may be used while it is not revoked.
func (s *snapshot) checkUnrevoked(key curve.PublicKey, now time.Time) verdict {
	v := verdict{reply: zap.Allow(""), final: true}
	if s == nil {
		return v
	}
	for _, d := range s.domains { // any section knows the whole policy
		if why, rule, _ := d.keys.revocation(key, now); why != "" {
			v.reply = refuse(why, rule)
		}
		v.until = d.keys.nextChange(key, now)
		break
	}
	return v
}

// withNoGroups returns the metadata that a reply has in place of none.
func withNoGroups(m zap.Metadata) zap.Metadata {
	if len(m) == 0 {
		return noGroups
	}
	return m
}

// checkProof decides about what a client has proved.
func (d *domain) checkProof(a *admission, now time.Time) zap.Reply {
	req := zap.Request{Domain: a.domain, Address: a.address, Mechanism: a.mechanism}
	switch {
	case a.mechanism == zap.Plain:
		if d.plain == nil || d.needsKey() != "" {
			return d.mechanism(context.Background(), &req, now) // which reads no credentials then
		}
		now := d.plain.accounts[a.login]
		if now == nil || a.account != nil && !now.password.equal(a.account.password) {
			return refuse(wrongPassword, d.plain.rule)
		}
		if a.account == nil {
			return zap.Reply{Status: zap.StatusTryLater, Text: changedText, Rule: d.plain.rule}
		}
		return now.reply()
	case isScram(a.mechanism):
		if !d.offers(a.mechanism) || d.scram == nil {
			return d.mechanism(context.Background(), &req, now)
		}
		return d.scramUser(a.mechanism, a.login, a.key, now, a.provesPassword)
	case a.mechanism == zap.Curve:
		req.Credentials = [][]byte{a.key[:]}
	case a.mechanism == zap.GSSAPI:
		req.Credentials = [][]byte{[]byte(a.login)}
	}
	return d.mechanism(context.Background(), &req, now)
}

// nextChange returns when the decision about a key may change because time passes, or the zero
// time.
func (c *curveRules) nextChange(key curve.PublicKey, now time.Time) (next time.Time) {
	at := func(times ...time.Time) {
		for _, t := range times {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	for _, l := range c.lists {
		at(l.list.Issued, l.list.Expires)
	}
	for i := range c.stores {
		id, ok := c.stores[i].lookup(key)
		if !ok {
			continue
		}
		at(id.Certificate.Validity.NotBefore, id.Certificate.Validity.NotAfter)
		for _, other := range id.Others {
			if other != nil {
				at(other.Validity.NotBefore, other.Validity.NotAfter)
			}
		}
	}
	return next
}
