package zap_test

import (
	"testing"

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
	// A request that nobody has parsed may be anything.
	for _, req := range []*zap.Request{
		{},
		{Mechanism: zap.Null, Credentials: frames(key)},
		{Mechanism: zap.Curve},
		{Mechanism: zap.Curve, Credentials: frames(key[1:])},
		{Mechanism: zap.Curve, Credentials: frames(key, key)},
		{Mechanism: zap.Plain, Credentials: frames(key)},
		{Mechanism: zap.Plain, Credentials: frames("a", "b", "c")},
		{Mechanism: zap.Null, Credentials: frames("a", "b")},
	} {
		if got, ok := req.CurveKey(); got != [32]byte{} || ok {
			t.Errorf("%v: got the key %x, %v", req, got, ok)
		}
		if name, password, ok := req.PlainLogin(); name != "" || password != nil || ok {
			t.Errorf("%v: got the login %q, %q, %v", req, name, password, ok)
		}
	}
}

func TestStatusValid(t *testing.T) {
	t.Parallel()
	valid := map[zap.Status]bool{zap.StatusOK: true, zap.StatusTryLater: true, zap.StatusRefused: true, zap.StatusError: true}
	for status := zap.Status(-600); status <= 600; status++ {
		if status.Valid() != valid[status] {
			t.Errorf("%d is valid: %v", status, status.Valid())
		}
	}
}
