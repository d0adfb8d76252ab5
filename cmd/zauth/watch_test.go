package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap/audit"
)

// TestGaps: watch counts what it has missed for each source and topic, also across restarts of
// zauth.
func TestGaps(t *testing.T) {
	t.Parallel()
	var g gaps
	for i, step := range []struct {
		host, topic  string
		number, lost uint64
	}{
		{"a", "400 x", 7, 0}, // watch began later than zauth
		{"a", "400 x", 8, 0},
		{"a", "400 x", 11, 2},
		{"a", "200 x", 3, 0},
		{"b", "400 x", 50, 0},
		{"a", "400 x", 1, 0}, // zauth has started again
		{"a", "400 x", 3, 1},
		{"a", "400 y", 0, 0}, // too many topics: not numbered
		{"a", "400 y", 0, 0},
	} {
		e := control.Event{Event: monitor.Event{Record: audit.Record{}}, Sequence: step.number, Host: step.host}
		if lost := g.before(step.topic, e); lost != step.lost {
			t.Errorf("step %d: lost %d, want %d", i, lost, step.lost)
		}
	}
}

// TestSelects: each flag of watch selects by its field.
func TestSelects(t *testing.T) {
	t.Parallel()
	e := control.Event{Event: monitor.Event{Record: audit.Record{Domain: "payments", Address: "192.0.2.7", Key: "k", Fingerprint: "f", Status: 400}, Name: "alice"}}
	for f, want := range map[*watchFlags]bool{
		{}: true, {domain: "payments"}: true, {domain: "pay"}: false, {identity: "alice"}: true, {identity: "bob"}: false,
		{key: "k"}: true, {key: "f"}: true, {key: "x"}: false, {address: "192.0.2.7"}: true, {address: "192.0.2.8"}: false,
		{address: "::ffff:192.0.2.7"}: true,
	} {
		if f.selects(e) != want {
			t.Errorf("%+v: %v", f, !want)
		}
	}
}

// TestFind: a command finds zauth by its flag, then by the environment, then by the directories of
// this user.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	ztest.Must(t, os.Mkdir(filepath.Join(dir, "zauth"), 0o700))
	ztest.WriteFile(t, filepath.Join(dir, "zauth", "control"), "")
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	for _, tt := range []struct{ flag, variable, want string }{
		{"ipc://flag", "ipc://variable", "ipc://flag"},
		{"", "ipc://variable", "ipc://variable"},
		{"", "none", "ipc://" + filepath.Join(dir, "zauth", "control")},
		{"", "", "ipc://" + filepath.Join(dir, "zauth", "control")},
	} {
		t.Setenv(controlVariable, tt.variable)
		if at, err := find(tt.flag, controlVariable, controlSocket); at != tt.want || err != nil {
			t.Errorf("%+v: %s, %v", tt, at, err)
		}
	}
	t.Setenv("RUNTIME_DIRECTORY", "/run/a:/run/b")
	if own := ownDirectory(); own != "/run/a" {
		t.Errorf("under systemd: %s", own)
	}
}
