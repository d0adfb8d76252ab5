package main

import (
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap/zaptest"
)

func TestRules(t *testing.T) {
	clients := t.TempDir()
	alice, stranger := cert.Generate("alice"), cert.Generate("stranger")
	if err := alice.SavePublic(filepath.Join(clients, "alice.key")); err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(rules(clients), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()

	if reply := zaptest.Allowed(t, p, zaptest.Curve("hello", alice.Public)); reply.UserID != "alice" {
		t.Errorf("user id %q, want alice", reply.UserID)
	}
	zaptest.Refused(t, p, zaptest.Curve("hello", stranger.Public))
	far := zaptest.Curve("hello", alice.Public)
	far.Address = "192.0.2.1"
	zaptest.Refused(t, p, far)
}
