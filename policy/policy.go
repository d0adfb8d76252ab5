// Package policy decides which clients may connect to ZeroMQ services. A [Policy] is a
// zap.Handler: it decides for libzmq sockets, for package zmtp, and for other processes
// through package zap/remote. It is also a sasl.Policy, for protocols that
// authenticate clients with package sasl.
//
// [Rules] say for each ZAP domain which clients to admit. [Load] reads them from a file and
// [Policy.Watch] applies its changes:
//
//	security
//	    domain = payments
//	    allow = 10.0.0.0/8
//	    curve = 1
//	        keystore = dir:clients
//	        group = traders
//
// [New] takes the same rules from a program, and [Policy.Set] replaces them:
//
//	policy.Rules{{
//		Name:  "payments",
//		Allow: []string{"10.0.0.0/8"},
//		Curve: &policy.Curve{Keystores: []string{"dir:clients"}, Groups: []string{"traders"}},
//	}}
//
// [Default] returns a policy without rules, which admits the CURVE clients of a keystore.
//
// A client that no rule admits is refused. Every decision names the rule that decided: file
// and line. docs/spec/policy.md specifies the file and the decisions.
//
// A policy remembers revoked keys: a key that was revoked in one of its keystores, or by
// a revocation list, stays refused even if the record is lost or an older list replaces
// the newer one. With a state file this holds across restarts.
package policy

import (
	"crypto/sha256"
	"fmt"
	"log/slog"

	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// Options configure a policy.
type Options struct {
	// Log receives warnings, changes of the policy and errors. If Log is nil, nothing is logged.
	Log *slog.Logger
	// State is the file in which the policy remembers revoked keys, the newest revocation
	// lists, and the key from which the salts of unknown logins by SCRAM are derived. The
	// policy creates it when there is something to remember, and writes it while Watch runs,
	// and in Set, Reload and Close. Empty means FILE.state next to a policy file, and
	// StateNone for rules of a program.
	State string
	// ReadOnly leaves the state file unchanged, for tools that only test a decision.
	ReadOnly bool
}

// New returns a policy with these rules, and opens the keystores that they name. If the
// rules are invalid, the error lists every fault, with its line in the file that was parsed
// or in the text that Rules.String returns: an errors.Join of *cert.SyntaxError. It wraps
// ErrStateWrite if the state can't be written.
func New(rules Rules, o Options) (*Policy, error) {
	if o.State == "" {
		o.State = StateNone
	}
	p, err := newPolicy("", o)
	if err != nil {
		return nil, err
	}
	if err := p.Set(rules); err != nil {
		return nil, err
	}
	return p, nil
}

// Set replaces the rules of a policy from New or Default. It returns the same errors as
// New, and then changes nothing. For a policy from Load, it always returns an error.
func (p *Policy) Set(rules Rules) error {
	if err := p.usable(); err != nil {
		return err
	}
	if p.file != "" {
		return fmt.Errorf("policy: loaded from %s: change the file instead", p.file)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.applyRulesLocked(rules); err != nil {
		return err
	}
	return p.loads.note(nil)
}

// config checks a program's rules.
func (r Rules) config() (*config, error) {
	c := &config{file: codeName, rules: r.located()}
	var f findings
	c.sections = compile(c.rules, codeName, &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	c.warnings, c.sum = f.warnings, sha256.Sum256([]byte(r.String()))
	return c, nil
}

// defaultName is cited by decisions of Default instead of a line.
const defaultName = "default policy"

// Default returns a policy without rules, which admits the CURVE clients of a keystore in
// every domain while their certificates are valid. The program watches and closes the
// keystore. Decisions cite the place of a certificate, or "default policy". It returns an
// error if the keystore is nil, or if the state in o can't be read or written.
func Default(store keystore.Reader, o Options) (*Policy, error) {
	if isNil(store) {
		return nil, fmt.Errorf("policy: %w", errNil)
	}
	at := &source{head: line{file: defaultName}}
	return New(Rules{{Curve: &Curve{Readers: []keystore.Reader{store}, at: at}, at: at}}, o)
}

// refuse returns a refusal that cites a rule.
func refuse(reason, rule string) zap.Reply {
	return zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: rule}
}
