package web

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v3"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// full returns a source that has a value for each metric.
func full(t *testing.T) Source {
	at := time.Unix(1_800_000_000, 0)
	return newSource(t, control.Status{
		Version:  "v1.0.0",
		Policy:   &control.Policy{File: "policy.zpl", Since: at},
		Stores:   []control.Store{{URL: "dir:staff", Identities: 3}, {URL: "dir:partners", Identities: 4, Failed: "no such directory"}, {URL: "dir:staff", Identities: 3}},
		Lists:    []control.List{{File: "acme.revoked", Expires: at}},
		Expiring: []control.Expiring{{Store: "dir:staff"}, {Store: "dir:staff"}},
		Reloads:  control.Reloads{Applied: 2, Rejected: 1, Failed: "policy.zpl:1: unknown"},
		Limits:   []control.Limit{{Name: "failures", Count: 9}},
		Pending:  6,
	},
		decision{zap.Request{Domain: "payments", Mechanism: zap.Null}, zap.Reply{Status: zap.StatusOK}},
		decision{zap.Request{Domain: "payments", Mechanism: zap.Curve, Credentials: [][]byte{[]byte(strings.Repeat("k", 32))}}, zap.Reply{Status: zap.StatusRefused}},
		decision{zap.Request{Domain: "", Mechanism: zap.Null}, zap.Reply{Status: zap.StatusError}})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := get(t, full(t), "/metrics")
	lines := strings.Split(w.Body.String(), "\n")
	for _, want := range []string{
		`zauth_build_info{version="v1.0.0"} 1`,
		`zauth_clients 1`,
		`zauth_decision_seconds_count{mechanism="CURVE"} 1`,
		`zauth_decision_seconds_bucket{mechanism="NULL",le="+Inf"} 2`,
		`zauth_decisions_total{domain="payments",mechanism="NULL",status="200"} 1`,
		`zauth_decisions_total{domain="payments",mechanism="CURVE",status="400"} 1`,
		`zauth_decisions_total{domain="",mechanism="NULL",status="500"} 1`,
		`zauth_identities{store="dir:staff"} 3`,
		`zauth_identities{store="dir:partners"} 4`,
		`zauth_identities_expiring{store="dir:staff"} 2`,
		`zauth_identities_expiring{store="dir:partners"} 0`,
		`zauth_keystore_readable{store="dir:staff"} 1`,
		`zauth_keystore_readable{store="dir:partners"} 0`,
		`zauth_rules_current 0`,
		`zauth_limit_hits_total{limit="failures"} 9`,
		`zauth_pending_keys 6`,
		`zauth_policy_loaded_timestamp_seconds 1.8e+09`,
		`zauth_reloads_total{result="applied"} 2`,
		`zauth_reloads_total{result="rejected"} 1`,
		`zauth_revocation_list_expiry_timestamp_seconds{file="acme.revoked"} 1.8e+09`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%d\n%s", w.Code, w.Body)
	}
}

// TestMetricsOfHostileLabels: texts of services and files that Prometheus does not take as they
// are do not stop the metrics.
func TestMetricsOfHostileLabels(t *testing.T) {
	t.Parallel()
	var decisions []decision
	for _, domain := range []string{"\xff", "\xfe", "a\x00b", "\n\"\\", strings.Repeat("x", 255), "\x00"} {
		decisions = append(decisions, decision{zap.Request{Domain: domain, Mechanism: zap.Null}, zap.Reply{Status: zap.StatusOK}})
	}
	s := newSource(t, control.Status{
		Version: "\xff", Stores: []control.Store{{URL: "dir:\xff"}, {URL: "dir:\xfe"}}, Expiring: []control.Expiring{{Store: "dir:gone"}},
	}, decisions...)
	w := get(t, s, "/metrics")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "zauth_pending_keys") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}

// TestMetricsAreBounded: services can't make the metrics grow with new domains.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	var decisions []decision
	for i := range 1_000 {
		decisions = append(decisions, decision{zap.Request{Domain: strings.Repeat("x", i%255) + string(rune('a'+i/255)), Mechanism: zap.Null}, zap.Reply{Status: zap.StatusOK}})
	}
	body := get(t, newSource(t, control.Status{}, decisions...), "/metrics").Body.String()
	if n := strings.Count(body, "\nzauth_decisions_total{"); n < 100 || n > 250 {
		t.Errorf("%d samples", n)
	}
}

// TestPromlint: the metrics follow the conventions of Prometheus.
func TestPromlint(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(get(t, full(t), "/metrics").Body).Lint()
	ztest.Must(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "zauth_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// names returns the metrics of zauth in a text, without the suffixes of a histogram's samples.
func names(text string) []string {
	found := regexp.MustCompile(`\bzauth_[a-z_]+`).FindAllString(text, -1)
	for i, name := range found {
		found[i] = regexp.MustCompile(`(_seconds)_(bucket|count|sum)$`).ReplaceAllString(name, "$1")
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestMetricsDocumented: docs/zauth.md has a line for each metric, and no other. The dashboard
// and the alert rules use no others.
func TestMetricsDocumented(t *testing.T) {
	t.Parallel()
	root := ztest.Root(t)
	var exported []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (zauth_\w+) `).FindAllStringSubmatch(get(t, full(t), "/metrics").Body.String(), -1) {
		exported = append(exported, m[1])
	}
	if len(exported) != len(descs) {
		t.Errorf("%d metrics have a value, of %d", len(exported), len(descs))
	}
	guide, err := os.ReadFile(filepath.Join(root, "docs", "zauth.md"))
	ztest.Must(t, err)
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(zauth_\\w+)").FindAllStringSubmatch(string(guide), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if !slices.Equal(exported, documented) {
		t.Errorf("exported %v\ndocumented %v", exported, documented)
	}
	for file, parse := range map[string]func([]byte, any) error{"contrib/grafana/zauth.json": json.Unmarshal, "contrib/prometheus/alerts.yml": yaml.Unmarshal} {
		text, err := os.ReadFile(filepath.Join(root, file))
		ztest.Must(t, err)
		var parsed map[string]any
		if err := parse(text, &parsed); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		used := names(string(text))
		if len(used) < 5 {
			t.Errorf("%s uses %v", file, used)
		}
		for _, name := range used {
			if !slices.Contains(exported, name) {
				t.Errorf("%s uses %s, which does not exist", file, name)
			}
		}
	}
}
