package monitor

import (
	"time"

	"github.com/zcurve/zcurve/zap/audit"
)

// Labels say how a decision is counted. Beyond 200 combinations, the domain is "other".
type Labels struct {
	Domain    string `json:"domain"`
	Mechanism string `json:"mechanism"` // as in zap.Request, or "other"
	Status    int    `json:"status"`
}

// Count is a number of decisions with the same labels.
type Count struct {
	Labels
	Count uint64 `json:"count"`
}

// Totals are numbers of decisions by status.
type Totals struct {
	Admitted uint64 `json:"admitted"`  // 200
	TryLater uint64 `json:"try_later"` // 300
	Refused  uint64 `json:"refused"`   // 400
	Failed   uint64 `json:"failed"`    // 500
}

// Histogram is how long the decisions of one mechanism took.
type Histogram struct {
	Mechanism string
	Bounds    []time.Duration // upper bounds of the buckets, inclusive, in ascending order
	Counts    []uint64        // for each bucket, and one more for longer times; not cumulative
	Sum       time.Duration
	Count     uint64
}

// Client holds the last decisions about an identity, an account or an unknown key.
type Client struct {
	Key         string `json:"key,omitempty"`         // in Z85, if it came by CURVE
	Fingerprint string `json:"fingerprint,omitempty"` // of the key
	Identity    string `json:"identity,omitempty"`    // the policy's name for it; empty for an unknown key
	Elsewhere   bool   `json:"elsewhere,omitempty"`   // only other domains than those that it asked for know Identity
	Login       string `json:"login,omitempty"`       // the user name, if it came by PLAIN or SCRAM
	Principal   string `json:"principal,omitempty"`   // if it came by GSSAPI

	Admitted  *Last     `json:"admitted,omitempty"` // the last admission
	Refused   *Last     `json:"refused,omitempty"`  // the last decision of another status
	Admits    uint64    `json:"admits"`             // how often it was admitted
	Refusals  uint64    `json:"refusals"`           // how often it was not
	FirstSeen time.Time `json:"first_seen"`

	Admit string `json:"admit,omitempty"` // of a pending key: the command that admits it, if zauth can
}

// Last is the last decision of one kind about a client. Texts end after 255 bytes.
type Last struct {
	Time    time.Time `json:"time"` // UTC, to the millisecond
	Domain  string    `json:"domain"`
	Address string    `json:"address,omitempty"`
	Asker   string    `json:"asker,omitempty"` // the service that asked
	Status  int       `json:"status"`
	Reason  string    `json:"reason,omitempty"` // of a refusal
	Rule    string    `json:"rule,omitempty"`
}

// Event is a decision, or the repeats of a refusal.
type Event struct {
	audit.Record
	Count  uint64 `json:"count"`            // how many decisions this is
	Name   string `json:"name,omitempty"`   // the key's name in another domain, if Identity is empty
	Admit  string `json:"admit,omitempty"`  // a command that admits a refused client; see Advice
	Advice string `json:"advice,omitempty"` // what to do in words, to admit a refused client
}
