// Package control is zauth's door for its operator: requests and replies in JSON over a ZeroMQ
// socket (docs/spec/control.md).
package control

import (
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
)

// Status describes a running zauth, for "zauth status".
type Status struct {
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Endpoints []string  `json:"endpoints"` // that answer services

	Policy   *Policy    `json:"policy,omitempty"` // nil without --policy
	Stores   []Store    `json:"stores"`
	Lists    []List     `json:"lists"`
	Reloads  Reloads    `json:"reloads"`
	Expiring []Expiring `json:"expiring"` // within 30 days, the next first, at most 1,000 for each policy

	ExpiringAll int `json:"expiring_all"` // how many expire within 30 days

	Minute  monitor.Totals  `json:"last_minute"`
	Hour    monitor.Totals  `json:"last_hour"`
	Counts  []monitor.Count `json:"decisions"` // since the start
	Limits  []Limit         `json:"limits"`    // all of them, hit or not
	Pending int             `json:"pending"`   // unknown keys that asked
	Audit   string          `json:"audit"`     // "on", "off", or "" without --audit
}

// Policy is the current policy.
type Policy struct {
	File    string    `json:"file"`
	Digest  string    `json:"sha256"`           // of the file that applies
	Since   time.Time `json:"since"`            // when it first applied
	Failed  string    `json:"failed,omitempty"` // why a newer version was not applied
	Domains []string  `json:"domains"`
}

// Reloads count how often the rules were read: the policy and its lists when they changed, and
// everything at SIGHUP.
type Reloads struct {
	Applied  uint64    `json:"applied"`          // including the start
	Rejected uint64    `json:"rejected"`         // the same error again counts once
	Last     time.Time `json:"last,omitzero"`    // when rules were last applied
	Failed   string    `json:"failed,omitempty"` // why the newest rules were not applied
}

// Store is a keystore in use.
type Store struct {
	URL        string `json:"url"`
	Identities int    `json:"identities"`
	Revoked    int    `json:"revoked"`
	Failed     string `json:"failed,omitempty"` // why it can't be read now
}

// List is a revocation list in use.
type List struct {
	File      string    `json:"file"`
	Authority string    `json:"authority"` // the key that signed it
	Expires   time.Time `json:"expires"`
}

// Expiring is an identity whose certificate expires soon.
type Expiring struct {
	Name    string    `json:"name"`
	Key     string    `json:"key"`
	Store   string    `json:"store"`
	Expires time.Time `json:"expires"`
}

// Limit is a limit, and how often it was hit.
type Limit struct {
	// Name is "failures" (of an address in a minute), "logins" (at the same time, from one
	// address or service), "connections" (from services, at the same time), "decisions" (slow
	// ones, at the same time), "malformed" (requests) or "strangers" (unknown keys and user
	// names that were forgotten to make room for others).
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}
