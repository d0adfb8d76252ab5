package policy

import (
	"context"
	"net/netip"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// decide is what a snapshot says to a request.
func (s *snapshot) decide(ctx context.Context, req *zap.Request, now time.Time) zap.Reply {
	d := s.domains[req.Domain]
	if d == nil {
		d = s.domains["*"]
	}
	if d == nil {
		return refuse("no rule for this domain", s.file)
	}
	if reason, rule := d.address(req.Address); reason != "" {
		return refuse(reason, rule)
	}
	if d.limiter != nil && (d.failures > 0 || req.Mechanism == zap.MechanismPlain) {
		if !d.limiter.allows(req.Address, now) {
			return refuse("too many failures from this address", d.rule)
		}
	}
	reply := d.mechanism(ctx, req, now)
	if reply.Status == zap.StatusRefused && d.limiter != nil && (d.failures > 0 || req.Mechanism == zap.MechanismPlain) {
		d.limiter.fail(req.Address, now)
	}
	return reply
}

// address says why an address can't come in and by which rule, or "".
func (d *domain) address(address string) (reason, rule string) {
	if len(d.allow) == 0 && len(d.deny) == 0 {
		return "", ""
	}
	a, err := netip.ParseAddr(address)
	a = a.Unmap().WithZone("")
	if err == nil {
		if rule, ok := match(d.deny, a); ok {
			return "address denied", rule
		}
	}
	if len(d.allow) == 0 {
		return "", ""
	}
	if err == nil {
		if _, ok := match(d.allow, a); ok {
			return "", ""
		}
	}
	return "address not allowed", d.rule
}

// match returns the rule of the first network that an address is in.
func match(networks []network, a netip.Addr) (rule string, ok bool) {
	for i := range networks {
		if networks[i].prefix.Contains(a) {
			return networks[i].rule, true
		}
	}
	return "", false
}

func (d *domain) mechanism(ctx context.Context, req *zap.Request, now time.Time) zap.Reply {
	switch req.Mechanism {
	case zap.MechanismNull:
		if d.anonymous == "" {
			return refuse("NULL is not allowed", d.rule)
		}
		return zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: d.anonymous}
	case zap.MechanismPlain:
		if d.plain == nil {
			return refuse("PLAIN is not allowed", d.rule)
		}
		return d.plain.decide(ctx, req, now)
	case zap.MechanismCurve:
		if d.curve == nil {
			return refuse("CURVE is not allowed", d.rule)
		}
		return d.curve.decide(req, now)
	case zap.MechanismGSSAPI:
		return d.principal(req)
	}
	return refuse("unknown mechanism", d.rule)
}

// principal decides about a client of GSSAPI, which libzmq has authenticated.
func (d *domain) principal(req *zap.Request) zap.Reply {
	if d.gssapi == nil {
		return refuse("GSSAPI is not allowed", d.rule)
	}
	if len(req.Credentials) != 1 {
		return refuse("want one principal", d.gssapi.rule)
	}
	principal := string(req.Credentials[0])
	rule, ok := d.gssapi.principals[principal]
	if !ok {
		return refuse("unknown principal", d.gssapi.rule)
	}
	reply := zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: rule}
	if isUserID(principal) {
		reply.UserID = principal
	}
	return reply
}
