package main

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// TestAtOnce: zauth decides about keys at once, by a policy and by a keystore alone.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	file := filepath.Join(s.Dir, "policy.zpl")
	ztest.WriteFile(t, file, "security\n    curve = 1\n        keystore = dir:clients\n")
	for name, f := range map[string]ruleFlags{
		"policy":   {policy: file},
		"keystore": {keystore: s.Clients},
		"askers":   {keystore: s.Clients, askers: "mem:"},
	} {
		handler, rules, err := f.open(slog.New(slog.DiscardHandler))
		ztest.Must(t, err)
		defer rules.Close()
		decide := audit.New(handler, audit.Options{Writer: io.Discard})
		defer decide.Close()
		req := &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{s.Trader.Public[:]}}
		if reply, ok := decide.HandleAtOnce(req); !ok || reply.Status != zap.StatusOK {
			t.Errorf("%s: %v, %+v", name, ok, reply)
		}
	}
}
