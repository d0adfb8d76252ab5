// Package control is zauth's door for its operator: requests and replies in JSON over a ZeroMQ
// socket (docs/spec/control.md).
package control

import (
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
)

// Status is what "zauth status" shows.
type Status struct {
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Endpoints []string  `json:"endpoints"` // that answer services

	Policy   *Policy    `json:"policy,omitempty"` // nil without --policy
	Stores   []Store    `json:"stores"`
	Lists    []List     `json:"lists"`
	Expiring []Expiring `json:"expiring"` // within 30 days, the next first

	Minute  monitor.Totals  `json:"last_minute"`
	Hour    monitor.Totals  `json:"last_hour"`
	Counts  []monitor.Count `json:"decisions"` // since the start
	Limits  []Limit         `json:"limits"`    // that were hit since the start
	Pending int             `json:"pending"`   // unknown keys that asked
	Audit   string          `json:"audit"`     // "on", "off", or "" without --audit
}

// Policy is the policy in force.
type Policy struct {
	File    string    `json:"file"`
	Digest  string    `json:"sha256"` // of the file
	Since   time.Time `json:"since"`
	Failed  string    `json:"failed,omitempty"` // why a newer version is not in force
	Domains []string  `json:"domains"`
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
	File    string    `json:"file"`
	Expires time.Time `json:"expires"`
}

// Expiring is an identity whose certificate expires soon.
type Expiring struct {
	Name    string    `json:"name"`
	Key     string    `json:"key"`
	Store   string    `json:"store"`
	Expires time.Time `json:"expires"`
}

// Limit is a limit that was hit, and how often.
type Limit struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}
