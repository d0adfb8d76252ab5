// Package policy decides who may do what. A policy is a zap.Handler: what asks
// it may be libzmq, our own connections or another process.
//
// [Default] is the policy for where none is written: CURVE clients whose
// certificate is in the keystore, and nobody else.
//
//	store, err := keystore.Open("dir:clients", log)
//	…
//	handler := policy.Default(store)
//
// [Load] reads one from a file, which says for each domain who may come in. The
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
package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// defaultRule is what the decisions of the default policy refer to where there
// is no file.
const defaultRule = "default policy"

// Default returns the default policy over a keystore: CURVE clients whose
// certificate is in it and valid now. A client that is let in has as user id the
// name of its identity, and as metadata what its certificate says. The handler is
// safe for concurrent use.
func Default(store keystore.Store) zap.Handler {
	return zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		key, ok := req.CurveKey()
		if !ok {
			return refuse("only CURVE is allowed", defaultRule)
		}
		id, ok := store.Lookup(curve.PublicKey(key))
		if !ok {
			return refuse("unknown key", defaultRule)
		}
		if reason := invalid(id, time.Now()); reason != "" {
			return refuse(reason, id.Source)
		}
		return grant(id, id.Source)
	})
}

// refuse makes a refusal by a rule.
func refuse(reason, rule string) zap.Reply {
	return zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: rule}
}

// invalid says why an identity can't come in now, or "".
func invalid(id *keystore.Identity, now time.Time) string {
	if id.Revoked != nil {
		return "certificate revoked"
	}
	if err := id.Certificate.Validity.Check(now); errors.Is(err, cert.ErrNotYetValid) {
		return "certificate not valid yet"
	} else if err != nil {
		return "certificate expired"
	}
	return ""
}

// granted is what an identity comes in with.
type granted struct {
	userID   string
	metadata zap.Metadata
}

// grant lets an identity in, by a rule.
func grant(id *keystore.Identity, rule string) zap.Reply {
	g := id.Memo(newGranted).(*granted)
	return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: g.userID, Metadata: g.metadata, Rule: rule}
}

func newGranted(id *keystore.Identity) any { return &granted{userID(id), metadata(id)} }

// userID is the identity's name, or its key where the name can't travel as a
// user id (RFC 27: at most 255 octets of ASCII).
func userID(id *keystore.Identity) string {
	if isUserID(id.Name) {
		return id.Name
	}
	return id.Key().String()
}

func isUserID(name string) bool {
	return len(name) <= 255 && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}

// reserved are the names of properties that come from elsewhere than a
// certificate. libzmq hands all to the application alike, so a certificate must
// not set them.
var reserved = []string{"User-Id", "Peer-Address", "Socket-Type", "Identity", "Routing-Id", "Resource"}

// metadata is what the certificate says, as far as it can travel as ZMTP
// properties.
func metadata(id *keystore.Identity) zap.Metadata {
	m := make(zap.Metadata, 0, len(id.Certificate.Metadata))
	for _, p := range id.Certificate.Metadata {
		if slices.ContainsFunc(reserved, func(name string) bool { return strings.EqualFold(name, p.Name) }) {
			continue
		}
		property := zap.Property{Name: p.Name, Value: []byte(p.Value)}
		if _, err := (zap.Metadata{property}).Append(nil); err == nil {
			m = append(m, property)
		}
	}
	return m
}
