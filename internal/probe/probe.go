// Package probe connects to a ZeroMQ socket step by step, and says how far it came and why no
// further.
package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Stage is a step of connecting.
type Stage int

// The stages, in order.
const (
	Local     Stage = iota // what this side has: certificates and keys
	Connect                // the name is resolved, and the transport connected
	Greeting               // the peer speaks ZMTP, and with which mechanism
	ServerKey              // HELLO to WELCOME: the peer has the secret key of the server key
	Admission              // INITIATE to READY: the server admits this client
	Peer                   // what the peer says of itself, and whether it answers
	Stages                 // how many there are
)

var names = [Stages]string{"local", "connect", "greeting", "server key", "admission", "peer"}

func (s Stage) String() string { return names[s] }

// Outcome is how a stage ended.
type Outcome string

// The outcomes.
const (
	OK         Outcome = "ok"
	Failed     Outcome = "failed"
	NotReached Outcome = "not reached"
)

// Result says how a stage ended, and what to do if it failed.
type Result struct {
	Outcome Outcome
	Text    string
	Hint    string
}

// Report has the results of a probe.
type Report struct {
	Results    [Stages]Result
	Temporary  bool   // the stage that failed may pass later, with the same keys
	Version    string // of ZMTP, such as "3.1"; "" if the peer has not said
	Mechanism  string // of the peer
	AsServer   bool   // whether the peer's greeting says so; libzmq's never does
	SocketType string // of the peer
	Metadata   zap.Metadata
	Connected  time.Duration // how long connecting took: about one round trip
	Handshake  time.Duration // how long the handshake took
	RoundTrip  time.Duration // how long the peer took to answer a PING, or to send a message after it
}

// newReport returns a report whose local stage has passed.
func newReport(local string) *Report {
	r := &Report{}
	for s := range r.Results {
		r.Results[s].Outcome = NotReached
	}
	r.pass(Local, "%s", local)
	return r
}

// Unusable returns the report about a certificate or key that can't be used.
func Unusable(text, hint string) *Report {
	r := newReport("")
	r.fail(Local, fault{text: text, hint: hint})
	return r
}

// Failed returns the stage that failed. ok is false if none did.
func (r *Report) Failed() (stage Stage, ok bool) {
	for s, result := range r.Results {
		if result.Outcome == Failed {
			return Stage(s), true
		}
	}
	return 0, false
}

func (r *Report) pass(s Stage, format string, args ...any) {
	r.Results[s] = Result{Outcome: OK, Text: fmt.Sprintf(format, args...)}
}

func (r *Report) fail(s Stage, f fault) {
	r.Results[s] = Result{Outcome: Failed, Text: f.text, Hint: f.hint}
	r.Temporary = f.temporary
}

// Config says as whom to connect.
type Config struct {
	Local     string // what the local stage says
	Expect    string // the mechanism that the peer must have; "" for any
	Mechanism string // to connect with; NULL ends after the greeting of a peer with another
	Key       curve.SecretKey
	IsNew     bool // Key was made for this probe, so that no server can know it
	ServerKey curve.PublicKey
	Username  string
	Password  zap.Password
	// SocketType is the type to connect as. "" tries those that receive no messages that
	// were meant for others: REQ, SUB, PUSH and PUB.
	SocketType string
	// Timeout bounds all stages together.
	Timeout time.Duration
	// Admit is a command that admits this client at the server, for a hint.
	Admit string
}

// harmless are the types that take no messages from a socket that deals them out.
var harmless = []string{"REQ", "SUB", "PUSH", "PUB"}

// fitting are those that fit a type of the peer.
var fitting = map[string]string{
	"REP": "REQ", "ROUTER": "REQ", "PUB": "SUB", "XPUB": "SUB", "PULL": "PUSH", "SUB": "PUB", "XSUB": "PUB",
}

// Run connects to an endpoint. It ends within cfg.Timeout, whatever the peer does.
func Run(ctx context.Context, at string, cfg Config) *Report {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if cfg.SocketType != "" {
		r, _ := attempt(ctx, at, cfg, cfg.SocketType)
		return r
	}
	var r *Report
	for _, socketType := range harmless {
		var mayBeType bool
		r, mayBeType = attempt(ctx, at, cfg, socketType)
		if fits := fitting[r.SocketType]; fits != "" && fits != socketType {
			r, _ = attempt(ctx, at, cfg, fits)
			return r
		}
		if !mayBeType {
			return r
		}
	}
	return r
}
