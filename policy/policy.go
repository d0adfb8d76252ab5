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
	"log/slog"
	"strings"

	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// defaultRule is what the decisions of the default policy refer to where there
// is no file.
const defaultRule = "default policy"

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

// Default returns the default policy over a keystore: CURVE clients whose
// certificate is in it and valid now. A client that is let in has as user id the
// name of its identity, and as metadata its groups and what its certificate claims.
// The policy takes the keystore over: it follows it in Watch, and closes it. The error
// is that of the state.
func Default(store keystore.Store, o Options) (*Policy, error) {
	if o.State == "" {
		o.State = StateNone
	}
	p, err := newPolicy("", o)
	if err != nil {
		return nil, err
	}
	c := &config{file: defaultRule, sections: []*section{{rule: defaultRule, domain: "*", curve: &curveSection{rule: defaultRule}}}}
	s, err := newSnapshot(c, nil, p.memory)
	if err != nil {
		return nil, err
	}
	rules := s.domains["*"].curve
	rules.stores = []storeRule{{store: store}}
	s.stores, p.stores = []keystore.Store{store}, map[string]*openStore{"": {Store: store}}
	if err := p.memory.learn(s.stores, nil); err != nil {
		return nil, err
	}
	p.current.Store(s)
	return p, nil
}

// refuse makes a refusal by a rule.
func refuse(reason, rule string) zap.Reply {
	return zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: rule}
}

// isUserID reports whether a name can travel as a user id (RFC 27: at most 255 octets
// of ASCII).
func isUserID(name string) bool {
	return len(name) <= 255 && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}
