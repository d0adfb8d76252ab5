// Package probe connects to a ZeroMQ socket step by step, and says how far it came and why no
// further.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
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
	Stages                 // how many there are
)

var names = [Stages]string{"local", "connect", "greeting", "server key", "admission"}

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

// Report is what a probe found out.
type Report struct {
	Results    [Stages]Result
	Version    string // of ZMTP, such as "3.1"; "" if the peer has not said
	Mechanism  string // of the peer
	AsServer   bool   // whether the peer's greeting says so; libzmq's never does
	SocketType string // of the peer
	Metadata   zap.Metadata
	Connected  time.Duration // how long connecting took: about one round trip
	Handshake  time.Duration // how long the handshake took
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

func (r *Report) fail(s Stage, text, hint string) {
	r.Results[s] = Result{Outcome: Failed, Text: text, Hint: hint}
}

// skip says why a stage, and those after it, is not reached.
func (r *Report) skip(s Stage, why string) {
	r.Results[s].Text = why
}

// Config says as whom to connect.
type Config struct {
	Expect    string // the mechanism that the peer must have; "" for any
	Mechanism string // to connect with; NULL ends after the greeting of a peer with another
	Key       curve.SecretKey
	ServerKey curve.PublicKey
	Username  string
	Password  zap.Password
	// SocketType is the type to connect as. "" tries those that receive no messages that
	// were meant for others: REQ, SUB, PUSH and PUB.
	SocketType string
	// Timeout bounds each stage.
	Timeout time.Duration
	// Admit is a command that admits this client at the server, for a hint.
	Admit string
}

// harmless are the types that take no messages from a socket that deals them out.
var harmless = []string{"REQ", "SUB", "PUSH", "PUB"}

// Run connects to an endpoint. It ends within a few times cfg.Timeout, whatever the peer does.
func Run(ctx context.Context, at string, cfg Config) *Report {
	types := harmless
	if cfg.SocketType != "" {
		types = []string{cfg.SocketType}
	}
	var r *Report
	for i, socketType := range types {
		var again bool
		if r, again = attempt(ctx, at, cfg, socketType, i == len(types)-1); !again {
			break
		}
	}
	return r
}

// attempt connects with one socket type. again is true if another type may do better.
func attempt(ctx context.Context, at string, cfg Config, socketType string, isLast bool) (r *Report, again bool) {
	r = &Report{}
	for s := range r.Results {
		r.Results[s].Outcome = NotReached
	}
	r.Results[Local].Outcome = OK
	begin := time.Now()
	dialing, cancel := context.WithTimeout(ctx, cfg.Timeout)
	nc, err := endpoint.Dial(dialing, at)
	cancel()
	if err != nil {
		r.fail(Connect, withoutEndpoint(err, at), dialHint(err))
		return r, false
	}
	r.Connected = time.Since(begin)
	r.pass(Connect, "%s in %s", remote(nc, at), round(r.Connected))
	rec := &recorder{Conn: nc}
	begin = time.Now()
	shaking, cancel := context.WithTimeout(ctx, cfg.Timeout)
	conn, err := zmtp.Client(shaking, rec, zmtp.Config{
		SocketType: socketType, Mechanism: cfg.Mechanism, Key: cfg.Key, ServerKey: cfg.ServerKey,
		Username: cfg.Username, Password: cfg.Password, HandshakeTimeout: cfg.Timeout,
	})
	cancel()
	r.Handshake = time.Since(begin)
	if conn != nil {
		r.Metadata = conn.Claims()
		r.SocketType = conn.Claims().Get("Socket-Type")
		conn.CloseNow()
	}
	if !r.greeted(ctx, at, rec, cfg, err) {
		return r, false
	}
	return r, r.judge(rec, cfg, err, isLast)
}

// greeted judges the greeting, and reports whether to go on.
func (r *Report) greeted(ctx context.Context, at string, rec *recorder, cfg Config, err error) bool {
	g, ok := rec.greeting()
	if !ok {
		text, hint := greetingFault(ctx, at, rec.begin(), err)
		r.fail(Greeting, text, hint)
		return false
	}
	r.Version = version(g)
	if g[10] < 3 {
		r.fail(Greeting, "the peer speaks ZMTP "+r.Version, "use a libzmq of version 4 or later on the other side")
		return false
	}
	r.Mechanism, r.AsServer = mechanism(g), g[32] == 1
	said := fmt.Sprintf("ZMTP %s, %s", r.Version, printable(r.Mechanism))
	switch {
	case cfg.Expect != "" && r.Mechanism != cfg.Expect:
		r.fail(Greeting, fmt.Sprintf("the peer uses %s, not %s", printable(r.Mechanism), cfg.Expect), securityHint(r.Mechanism, cfg.Expect))
		return false
	case r.Mechanism == cfg.Mechanism:
		r.pass(Greeting, "%s", said)
		return true
	case cfg.Mechanism == zap.Null: // nothing was asked for but the greeting
		r.pass(Greeting, "%s", said)
		r.skip(ServerKey, needs[r.Mechanism])
		return false
	}
	r.fail(Greeting, fmt.Sprintf("the peer uses %s, this side %s", printable(r.Mechanism), cfg.Mechanism), securityHint(r.Mechanism, cfg.Mechanism))
	return false
}

// needs says what it takes to go on after the greeting.
var needs = map[string]string{
	zap.Curve: "give the server's key with --server-key to go on",
	zap.Plain: "give a login with --login to go on",
}

// judge judges all stages after the greeting. again is true if another socket type may
// do better.
func (r *Report) judge(rec *recorder, cfg Config, err error, isLast bool) (again bool) {
	isCurve := r.Mechanism == zap.Curve
	switch {
	case isCurve && (err == nil || rec.total() > greetingSize):
		r.pass(ServerKey, "the server has the secret key of %s", cfg.ServerKey)
	case isCurve:
		r.fail(ServerKey, keyFault(err), "compare the server's public key: zcert fingerprint on both sides")
		return false
	default:
		r.pass(ServerKey, "%s has none", r.Mechanism)
	}
	if types, ok := errors.AsType[*zmtp.SocketTypeError](err); ok { // behind READY
		r.SocketType, err = types.Theirs, nil
	}
	if err == nil {
		r.pass(Admission, "admitted by a %s socket, in %s", cmp.Or(printable(r.SocketType), "unnamed"), round(r.Handshake))
		return false
	}
	text, hint, mayBeType := admissionFault(err, cfg)
	if mayBeType && isLast && cfg.SocketType == "" {
		text += "; or it is a PUSH, DEALER or PAIR"
		hint += "; if it may be a PUSH, DEALER or PAIR, which can lose messages to a probe, pass --type"
	}
	r.fail(Admission, text, hint)
	return mayBeType
}

// remote returns the address that was connected.
func remote(nc net.Conn, at string) string {
	if a := nc.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return at
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// withoutEndpoint returns the text of an error without what the report says anyway.
func withoutEndpoint(err error, at string) string {
	return strings.TrimPrefix(err.Error(), "connecting to "+at+" failed: ")
}
