package audit

import (
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// schema is the version of the names and meanings of a record's fields.
const schema = 1

// Record is a line of the audit log: the asker, the client, the decision, and the reason.
// It contains no password and nothing that proves one. Domain, Address, Mechanism, and the
// fields that identify the client are as stated by the asker. Plain data: don't change it
// while it is in use.
type Record struct {
	Schema      int       `json:"schema"`                // 1
	Time        time.Time `json:"time"`                  // UTC, to the millisecond
	Asker       string    `json:"asker,omitempty"`       // the service that asked zauth; empty within one process
	Domain      string    `json:"domain"`                // the ZAP domain
	Address     string    `json:"address"`               // the client's IP address; may be empty
	Mechanism   string    `json:"mechanism"`             // as in [zap.Request]
	Key         string    `json:"key,omitempty"`         // the client's public key in Z85, if CURVE or SCRAM-SHA-256-PLUS
	Fingerprint string    `json:"fingerprint,omitempty"` // the fingerprint of the key
	Login       string    `json:"login,omitempty"`       // the client's user name, if PLAIN, SCRAM-SHA-256 or SCRAM-SHA-256-PLUS
	Principal   string    `json:"principal,omitempty"`   // the client's principal, if GSSAPI
	Identity    string    `json:"identity,omitempty"`    // the handler's name for the client, admitted or not
	Status      int       `json:"status"`                // 200, 300, 400 or 500
	User        string    `json:"user,omitempty"`        // the user id that the service sees
	Reason      string    `json:"reason,omitempty"`      // why the client is not admitted
	Rule        string    `json:"rule,omitempty"`        // the rule that decided
}

// NewRecord returns the record of a decision.
func NewRecord(at time.Time, req *zap.Request, reply zap.Reply) Record {
	r := Record{
		Schema:    schema,
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
	if key, ok := req.CurveKey(); ok {
		r.setKey(key)
	} else if login, _, ok := req.PlainLogin(); ok {
		r.Login = login
	} else if principal, ok := req.Principal(); ok {
		r.Principal = principal
	} else if login, _, key, ok := req.ScramLogin(); ok {
		r.Login = login
		if req.Mechanism == zap.ScramSHA256Plus {
			r.setKey(key)
		}
	}
	return r
}

func (r *Record) setKey(key curve.PublicKey) {
	r.Key, r.Fingerprint = key.String(), key.Fingerprint()
}
