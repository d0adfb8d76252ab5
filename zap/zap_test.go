package zap_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/zap"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	curve := &zap.Request{Mechanism: zap.Curve, Credentials: frames(key)}
	plain := &zap.Request{Mechanism: zap.Plain, Credentials: frames("alice", "secret")}
	if got, ok := curve.CurveKey(); string(got[:]) != key || !ok {
		t.Errorf("got %x, %v", got, ok)
	}
	if name, password, ok := plain.PlainLogin(); name != "alice" || string(password) != "secret" || !ok {
		t.Errorf("got %q, %q, %v", name, password, ok)
	}
	if name, ok := (&zap.Request{Mechanism: zap.GSSAPI, Credentials: frames("alice@EXAMPLE")}).Principal(); name != "alice@EXAMPLE" || !ok {
		t.Errorf("got %q, %v", name, ok)
	}
	bare := &zap.Request{Mechanism: zap.ScramSHA256, Credentials: frames("alice", key)}
	if name, proof, link, ok := bare.ScramLogin(); name != "alice" || string(proof[:]) != key || link != [32]byte{} || !ok {
		t.Errorf("got %q, %x, %x, %v", name, proof, link, ok)
	}
	linked := key[1:] + key[:1]
	bound := &zap.Request{Mechanism: zap.ScramSHA256Plus, Credentials: frames("alice", key, linked)}
	if name, proof, link, ok := bound.ScramLogin(); name != "alice" || string(proof[:]) != key || string(link[:]) != linked || !ok {
		t.Errorf("got %q, %x, %x, %v", name, proof, link, ok)
	}
	// Handlers that admit keys must not take one that a login brings along for a proof of
	// the password.
	if _, ok := bound.CurveKey(); ok {
		t.Error("a login by SCRAM is a request by CURVE")
	}
	// A request that has not been checked can hold anything.
	for _, req := range []*zap.Request{
		{},
		{Mechanism: zap.Null, Credentials: frames(key)},
		{Mechanism: zap.Curve},
		{Mechanism: zap.Curve, Credentials: frames(key[1:])},
		{Mechanism: zap.Curve, Credentials: frames(key, key)},
		{Mechanism: zap.Plain, Credentials: frames(key)},
		{Mechanism: zap.Plain, Credentials: frames("a", "b", "c")},
		{Mechanism: zap.GSSAPI},
		{Mechanism: zap.GSSAPI, Credentials: frames("a", "b")},
		{Mechanism: zap.Null, Credentials: frames("a", "b")},
		{Mechanism: zap.ScramSHA256, Credentials: frames("a")},
		{Mechanism: zap.ScramSHA256, Credentials: frames("a", key[1:])},
		{Mechanism: zap.ScramSHA256, Credentials: frames("a", key, key)},
		{Mechanism: zap.ScramSHA256Plus, Credentials: frames("a", key)},
		{Mechanism: zap.ScramSHA256Plus, Credentials: frames("a", key, key[1:])},
		{Mechanism: zap.ScramSHA256Plus, Credentials: frames("a", "", key)},
	} {
		if got, ok := req.CurveKey(); got != [32]byte{} || ok {
			t.Errorf("%v: got the key %x, %v", req, got, ok)
		}
		if name, password, ok := req.PlainLogin(); name != "" || password != nil || ok {
			t.Errorf("%v: got the login %q, %q, %v", req, name, password, ok)
		}
		if name, ok := req.Principal(); name != "" || ok {
			t.Errorf("%v: got the principal %q, %v", req, name, ok)
		}
		if name, proof, link, ok := req.ScramLogin(); name != "" || proof != [32]byte{} || link != [32]byte{} || ok {
			t.Errorf("%v: got the login %q, %x, %x, %v", req, name, proof, link, ok)
		}
	}
}

// TestStatus: a reply has one of the four statuses of RFC 27.
func TestStatus(t *testing.T) {
	t.Parallel()
	valid := map[zap.Status]bool{zap.StatusOK: true, zap.StatusTryLater: true, zap.StatusRefused: true, zap.StatusError: true}
	for status := zap.Status(-600); status <= 600; status++ {
		_, err := zap.Ask(context.Background(), prompt(func(*zap.Request) zap.Reply { return zap.Reply{Status: status} }), null)
		if (err == nil) != valid[status] {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

// TestConstructors: Allow and Refuse set the fields of a reply.
func TestConstructors(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(zap.Allow("alice"), zap.Allow("alice")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(zap.Reply{Status: zap.StatusRefused, Text: "not alice"}, zap.Refuse("not alice")); diff != "" {
		t.Error(diff)
	}
}
