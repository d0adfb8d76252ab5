package audit

import (
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Record is a decision: who was decided about, at whose request, what came of it,
// and why. It holds no password. Domain, Address, Mechanism, Key and what follows
// from it are as the asker says.
type Record struct {
	Time        time.Time `json:"time"`                  // UTC, to the millisecond
	Asker       string    `json:"asker,omitempty"`       // the service that asked zauth; "" in-process
	Domain      string    `json:"domain"`                // the ZAP domain
	Address     string    `json:"address"`               // the client's address, "" for none
	Mechanism   string    `json:"mechanism"`             // NULL, PLAIN, CURVE or GSSAPI
	Key         string    `json:"key,omitempty"`         // the client's public key in Z85, if CURVE
	Fingerprint string    `json:"fingerprint,omitempty"` // that of the key
	Login       string    `json:"login,omitempty"`       // the user name, if PLAIN
	Principal   string    `json:"principal,omitempty"`   // if GSSAPI
	Identity    string    `json:"identity,omitempty"`    // the identity that was found, admitted or not
	Status      int       `json:"status"`                // 200, 300, 400 or 500
	User        string    `json:"user,omitempty"`        // the user id that the service sees
	Reason      string    `json:"reason,omitempty"`      // why the client was not admitted
	Rule        string    `json:"rule,omitempty"`        // the rule that decided
}

// NewRecord returns the record of a decision.
func NewRecord(at time.Time, req *zap.Request, reply zap.Reply) Record {
	r := Record{
		Time:      at.UTC().Truncate(time.Millisecond),
		Asker:     req.Asker,
		Domain:    req.Domain,
		Address:   req.Address,
		Mechanism: req.Mechanism,
		Identity:  reply.Identity,
		Status:    int(reply.Status),
		Rule:      reply.Rule,
	}
	if reply.Status == zap.StatusOK {
		r.User = reply.UserID
	} else {
		r.Reason = reply.Text
	}
	if octets, ok := req.CurveKey(); ok {
		key := curve.PublicKey(octets)
		r.Key, r.Fingerprint = key.String(), key.Fingerprint()
	} else if login, _, ok := req.PlainLogin(); ok {
		r.Login = login
	} else if principal, ok := req.Principal(); ok {
		r.Principal = principal
	}
	return r
}
