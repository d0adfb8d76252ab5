// Package policy decides who may do what. A policy is a zap.Handler: what asks
// it may be libzmq, our own connections or another process.
//
// [Default] is the policy for where none is written: CURVE clients whose
// certificate is in the keystore, and nobody else.
//
//	store, err := keystore.Open("dir:clients", log)
//	…
//	handler := policy.Default(store)
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
// certificate is in it and valid now. A client that is let in
// has as user id the name of its identity, and as metadata what its certificate
// says. The handler is safe for concurrent use.
func Default(store keystore.Store) zap.Handler {
	return zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		key, ok := req.CurveKey()
		if !ok {
			return zap.Reply{Status: zap.StatusRefused, Text: "only CURVE is allowed", Rule: defaultRule}
		}
		id, ok := store.Lookup(curve.PublicKey(key))
		if !ok {
			return zap.Reply{Status: zap.StatusRefused, Text: "unknown key", Rule: defaultRule}
		}
		if id.Revoked != nil {
			return zap.Reply{Status: zap.StatusRefused, Text: "certificate revoked", Rule: id.Source}
		}
		if err := id.Certificate.Validity.Check(time.Now()); err != nil {
			text := "certificate expired"
			if errors.Is(err, cert.ErrNotYetValid) {
				text = "certificate not valid yet"
			}
			return zap.Reply{Status: zap.StatusRefused, Text: text, Rule: id.Source}
		}
		return zap.Reply{
			Status:   zap.StatusOK,
			Text:     "OK",
			UserID:   userID(id),
			Metadata: metadata(id),
			Rule:     id.Source,
		}
	})
}

// userID is the identity's name, or its key where the name can't travel as a
// user id (RFC 27: at most 255 octets of ASCII).
func userID(id *keystore.Identity) string {
	if len(id.Name) > 255 {
		return id.Key().String()
	}
	for i := range len(id.Name) {
		if id.Name[i] < ' ' || id.Name[i] > '~' {
			return id.Key().String()
		}
	}
	return id.Name
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
