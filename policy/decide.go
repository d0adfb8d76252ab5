package policy

import (
	"context"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// decide answers a request.
func (s *snapshot) decide(ctx context.Context, req *zap.Request, now time.Time) zap.Reply {
	if s == nil {
		return refuse("no policy", "") // the zero value
	}
	d := s.domain(req.Domain)
	if d == nil {
		return refuse("no rule for this domain", s.file)
	}
	if reason := malformed(req); reason != "" {
		return refuse(reason, d.rule)
	}
	c := parseClient(req.Address)
	if reason, rule := d.check(&c); reason != "" {
		return refuse(reason, rule)
	}
	var reply zap.Reply
	isGuess := req.Mechanism == zap.Plain && d.plain != nil || isScram(req.Mechanism) && d.scram != nil
	if d.limit == 0 || d.failures == 0 && !isGuess {
		reply = d.mechanism(ctx, req, now)
	} else {
		reply = d.limited(ctx, req, &c, s.limiter, isGuess, now)
	}
	if reply.Status == zap.StatusOK && len(reply.Metadata) == 0 {
		reply.Metadata = noGroups
	}
	return reply
}

// isScram reports whether a mechanism is SCRAM.
func isScram(mechanism string) bool {
	return mechanism == zap.ScramSHA256 || mechanism == zap.ScramSHA256Plus
}

// domain returns the section for a domain, or nil.
func (s *snapshot) domain(name string) *domain {
	d := s.domains[name]
	if d == nil && !IsOwn(name) {
		d = s.domains[others]
	}
	return d
}

// isPrompt reports whether decide takes only microseconds for a request, and doesn't block.
func (s *snapshot) isPrompt(req *zap.Request) bool {
	switch {
	case req.Mechanism == zap.Plain:
		return false
	case req.Mechanism != zap.Curve && req.Mechanism != zap.ScramSHA256Plus || s == nil:
		return true
	}
	d := s.domain(req.Domain)
	return d == nil || d.curve == nil || !d.curve.mayBlock
}

// noGroups is the metadata of a client in no group. Without it, libzmq would show a service
// the group that the client claims in its own metadata.
var noGroups = zap.Metadata{{Name: groupProperty, Value: ""}}

// limited answers a request in a domain where failures count.
func (d *domain) limited(ctx context.Context, req *zap.Request, c *client, l *limiter, isGuess bool, now time.Time) zap.Reply {
	if c.bad {
		return refuse("not an IP address", d.rule)
	}
	b := l.bucketOf(req.Asker, *c)
	if !isGuess {
		if l.tooMany(b, d.limit, now) {
			return refuse(tooManyFailures, d.rule)
		}
		reply := d.mechanism(ctx, req, now)
		if reply.Status == zap.StatusRefused {
			l.fail(b, now)
		}
		return reply
	}
	atOnce := maxGuesses
	if isScram(req.Mechanism) { // which takes no slot
		atOnce = d.limit
	}
	g, tooMany, busy := l.begin(b, d.limit, atOnce, now)
	switch {
	case tooMany:
		return refuse(tooManyFailures, d.rule)
	case busy:
		return zap.Reply{Status: zap.StatusTryLater, Text: "too many simultaneous logins from this address or service", Rule: d.rule}
	}
	wrong := true // even after a panic
	defer func() { g.end(wrong, now) }()
	reply := d.mechanism(ctx, req, now)
	wrong = reply.Status == zap.StatusRefused
	return reply
}

const tooManyFailures = "too many failures from this address"

func (d *domain) mechanism(ctx context.Context, req *zap.Request, now time.Time) zap.Reply {
	if rule := d.needsKey(); rule != "" && (req.Mechanism == zap.Plain || req.Mechanism == zap.ScramSHA256) {
		return refuse(needsKey, rule) // whatever the password: otherwise, a client could guess it first
	}
	switch req.Mechanism {
	case zap.Null:
		if d.anonymous == "" {
			return refuse("NULL is not allowed", d.rule)
		}
		return zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: d.anonymous}
	case zap.Plain:
		if d.plain == nil {
			return refuse("PLAIN is not allowed", d.rule)
		}
		return d.plain.decide(ctx, req, now)
	case zap.ScramSHA256, zap.ScramSHA256Plus:
		if !d.offers(req.Mechanism) {
			return refuse(req.Mechanism+" is not allowed", d.rule)
		}
		return d.scramLogin(req, now)
	case zap.Curve:
		if d.curve == nil {
			return refuse("CURVE is not allowed", d.rule)
		}
		raw, ok := req.CurveKey()
		if !ok {
			return refuse("malformed key: not 32 bytes", d.curve.rule)
		}
		key := curve.PublicKey(raw)
		reply, g := d.curve.decide(key, now)
		if reply.Status != zap.StatusOK {
			return reply
		}
		if rule := d.passwordRule(key, g, reply.Identity); rule != "" {
			return refuseIdentity(needsPassword, rule, reply.Identity)
		}
		if d.byKey {
			reply.UserID = key.String()
		}
		return reply
	case zap.GSSAPI:
		return d.principal(req)
	}
	return refuse("unknown mechanism", d.rule)
}

// principal answers a request by GSSAPI, for a principal that libzmq has authenticated.
func (d *domain) principal(req *zap.Request) zap.Reply {
	if d.gssapi == nil {
		return refuse("GSSAPI is not allowed", d.rule)
	}
	principal, _ := req.Principal()
	rule, ok := d.gssapi.principals[principal]
	if !ok {
		return refuse("unknown principal", d.gssapi.rule)
	}
	reply := zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: rule, Identity: principal}
	if isUserID(principal) {
		reply.UserID = principal
	}
	return reply
}
