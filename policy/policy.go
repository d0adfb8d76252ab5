// Package policy decides who may do what. A policy is a zap.Handler: what asks
// it may be libzmq, our own connections or another process.
//
// [Default] is the policy for where none is written: CURVE clients whose
// certificate is in the keystore, and no one else.
//
//	store, err := keystore.Open("dir:clients", log)
//	…
//	handler, err := policy.Default(store, policy.Options{Log: log})
//
// [Load] reads one from a file, which says for each domain who may connect. The
// file is specified in docs/spec/policy.md:
//
//	security
//	    domain = payments
//	    allow = 10.0.0.0/8
//	    curve = 1
//	        keystore = dir:clients
//	        group = traders
//
// Nothing is allowed that no line allows. Every decision names the line that it
// was taken by.
//
// A key that was revoked in a keystore of the policy, or by an older revocation list
// than the one that is there now, stays refused: a policy remembers it, in a file if
// it has one.
package policy

import (
	"crypto/sha256"
	"fmt"
	"log/slog"

	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// Options say how a policy works. The zero value is good.
type Options struct {
	// Log tells what is unwise, what changes and what goes wrong. A nil Log discards.
	Log *slog.Logger
	// State is the file in which the policy remembers the keys that were revoked and
	// the newest revocation lists. It is made when there is something to remember.
	// "" means FILE.state beside the file of a policy, and for the default policy
	// the same as StateNone: memory only.
	State string
	// ReadOnly is for tools that only ask: the state is read and not written.
	ReadOnly bool
}

// New returns a policy of rules. If they are wrong, the error lists every fault, with its
// line in Rules.String, or in the file that they were parsed from.
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

// Set exchanges the rules of a policy that New or Default made, as a whole or not at all.
func (p *Policy) Set(rules Rules) error {
	if p.file != "" {
		return fmt.Errorf("policy: its rules are those of %s", p.file)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applyRulesLocked(rules)
}

// config checks rules of a program.
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

// Default returns the policy for where no rules are: New of one section for all domains,
// which admits the CURVE clients that a keystore has. Decisions cite "default policy", or
// where the keystore has the certificate. The error is that of the state.
func Default(store keystore.Reader, o Options) (*Policy, error) {
	at := &source{head: line{file: "default policy"}}
	return New(Rules{{Curve: &Curve{Readers: []keystore.Reader{store}, at: at}, at: at}}, o)
}

// refuse makes a refusal by a rule.
func refuse(reason, rule string) zap.Reply {
	return zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: rule}
}
