package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// TestStatus: the status of a daemon describes what it decides by, with a policy and without.
func TestStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := map[string]*cert.Certificate{}
	for _, name := range []string{"clients", "services"} {
		ztest.Must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		s, err := keystore.Open("dir:"+filepath.Join(dir, name), nil)
		ztest.Must(t, err)
		c := cert.Generate(name)
		c.Validity.NotAfter = time.Now().Add(time.Hour).Truncate(time.Second)
		stores[name] = c
		ztest.Must(t, s.Put(&keystore.Identity{Name: name, Certificate: c}, &keystore.Identity{Name: "lost-" + name, Certificate: cert.Generate("lost")}))
		lost, _ := s.Holder("lost-" + name)
		ztest.Must(t, s.Revoke(lost, time.Now(), ""), s.Close())
	}
	file := filepath.Join(dir, "policy.zpl")
	ztest.WriteFile(t, file, "security\n    curve = 1\n        keystore = dir:clients\nsecurity\n    domain = zauth\n    curve = 1\n        keystore = dir:services\n")
	clients, services := "dir:"+filepath.Join(dir, "clients"), "dir:"+filepath.Join(dir, "services")
	for name, f := range map[string]serveFlags{
		"policy":   {ruleFlags: ruleFlags{policy: file}},
		"keystore": {ruleFlags: ruleFlags{keystore: clients, askers: services}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.listen, f.state = []string{"tcp://127.0.0.1:9127"}, "none"
			handler, rules, err := f.open(slog.New(slog.DiscardHandler))
			ztest.Must(t, err)
			defer rules.Close()
			d := &daemon{flags: f, endpoints: f.listen, started: time.Now(), rules: rules, monitor: monitor.New(handler, monitor.Options{})}
			d.monitor.Handle(t.Context(), &zap.Request{Mechanism: zap.Null})
			got := d.status()
			ends := func(name, url string) control.Expiring {
				c := stores[name]
				return control.Expiring{Name: name, Key: c.Public.String(), Store: url, Expires: c.Validity.NotAfter.UTC()}
			}
			want := control.Status{
				Version: got.Version, Started: d.started, Endpoints: f.listen,
				Stores: []control.Store{{URL: clients, Identities: 1, Revoked: 1}, {URL: services, Identities: 1, Revoked: 1}},
				Lists:  []control.List{}, Reloads: control.Reloads{Applied: 1, Last: got.Reloads.Last},
				Expiring: []control.Expiring{ends("clients", clients), ends("services", services)}, ExpiringAll: 2,
				Minute: monitor.Totals{Refused: 1}, Hour: monitor.Totals{Refused: 1},
				Counts: []monitor.Count{{Labels: monitor.Labels{Mechanism: zap.Null, Status: 400}, Count: 1}},
			}
			if name == "policy" {
				want.Policy = &control.Policy{File: file, Domains: []string{"*", "zauth"}}
			}
			byName := cmpopts.SortSlices(func(a, b control.Expiring) bool { return a.Name < b.Name })
			ignore := []cmp.Option{cmpopts.IgnoreFields(control.Status{}, "Limits"), cmpopts.IgnoreFields(control.Policy{}, "Digest", "Since"), byName}
			if diff := cmp.Diff(want, got, ignore...); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Version == "" || len(got.Limits) != 6 || got.Reloads.Last.IsZero() || got.Policy != nil && (len(got.Policy.Digest) != 64 || got.Policy.Since.IsZero()) {
				t.Errorf("%+v", got)
			}
			if diff := cmp.Diff([]string{"services"}, namesBy(rules)(stores["services"].Public)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStatusRemembersExpiring: the status looks for what expires soon once in a minute.
func TestStatusRemembersExpiring(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := ruleFlags{keystore: dir, state: "none"}
	_, rules, err := f.open(slog.New(slog.DiscardHandler))
	ztest.Must(t, err)
	defer rules.Close()
	var e expiring
	now := time.Now()
	if next, all := e.get(policiesOf(rules), now); len(next) != 0 || next == nil || all != 0 {
		t.Errorf("%v, %d", next, all)
	}
	c := cert.Generate("alice")
	c.Validity.NotAfter = now.Add(time.Hour).Truncate(time.Second)
	ztest.Must(t, c.SavePublic(filepath.Join(dir, "alice.key")), rules.Reload())
	if _, all := e.get(policiesOf(rules), now.Add(expiringFor-1)); all != 0 {
		t.Error("it looked again")
	}
	if next, all := e.get(policiesOf(rules), now.Add(expiringFor)); len(next) != 1 || all != 1 {
		t.Errorf("%v, %d", next, all)
	}
}
