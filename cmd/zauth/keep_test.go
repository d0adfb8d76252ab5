package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// TestKeepDefault: the admissions of clients, and of the services that ask, end when their
// keys are revoked in either keystore.
func TestKeepDefault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		domain   string
		services bool // revoke in the keystore of the services
		rule     string
	}{
		"client":                 {"payments", false, ""},
		"client among services":  {"payments", true, "--askers"},
		"service":                {policy.LinkDomain, true, ""},
		"service among clients":  {policy.LinkDomain, false, "--keystore"},
		"client, without askers": {"payments", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			urls, stores := [2]string{t.TempDir(), t.TempDir()}, [2]keystore.Store{}
			alice := cert.Generate("alice")
			for i, url := range urls {
				var err error
				stores[i], err = keystore.Open(url, nil)
				ztest.Must(t, err, stores[i].Put(&keystore.Identity{Name: "alice", Certificate: alice}))
			}
			flags := ruleFlags{keystore: urls[0], askers: urls[1]}
			if name == "client, without askers" {
				flags.askers = ""
			}
			handler, rules, err := flags.open(slog.New(slog.DiscardHandler))
			ztest.Must(t, err)
			defer rules.Close()
			decide := audit.New(handler, audit.Options{})
			defer decide.Close()
			req := &zap.Request{Domain: tt.domain, Mechanism: zap.Curve, Credentials: [][]byte{alice.Public[:]}}
			reply, err := zap.Ask(t.Context(), decide, req)
			ztest.Must(t, err)
			ended := make(chan zap.Reply, 2)
			decide.Keep(req, reply, func(r zap.Reply) { ended <- r })
			released := decide.Keep(req, reply, func(zap.Reply) { t.Error("ended after its release") })
			released()
			revoked := stores[0]
			if tt.services {
				revoked = stores[1]
			}
			ztest.Must(t, revoked.Revoke(alice.Public, time.Now(), "stolen"), rules.Reload())
			got := ztest.Receive(t, "the end", ended)
			if got.Status != zap.StatusRefused || tt.rule != "" && got.Rule != tt.rule {
				t.Errorf("ended with %+v", got)
			}
			for _, store := range stores {
				ztest.Must(t, store.Revoke(alice.Public, time.Now(), "stolen"))
			}
			ztest.Must(t, rules.Reload(), rules.Close()) // which waits for other ends
			if len(ended) > 0 {
				t.Errorf("ended again with %+v", <-ended)
			}
		})
	}
}
