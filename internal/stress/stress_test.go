package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestFailures: the result has the names of the failed tests, or else a line that
// describes the failure.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, out string
		want      []string
	}{
		{"tests", "--- FAIL: TestA (0.00s)\n    a_test.go:1: no\n--- FAIL: TestAB (0.1s)\nFAIL\n", []string{"TestA", "TestAB"}},
		{"subtests", "--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/x (0.00s)\n    --- FAIL: TestA/y (0.00s)\n", []string{"TestA/x", "TestA/y"}},
		{"timed out", "--- FAIL: TestB (0.0s)\npanic: test timed out after 2s\n\trunning tests:\n\t\tTestA (2s)\n\t\tTestA/x (2s)\n\ngoroutine 1 [running]:\n\tTestC (0x1)\n", []string{"TestB", "TestA/x"}},
		{"panic", "panic: no reason\n\ngoroutine 1:\n", []string{"panic: no reason"}},
		{"leak", "PASS\ngoroutines are left behind: found unexpected goroutines:\n", []string{"goroutines are left behind: found unexpected goroutines:"}},
		{"nothing", "PASS\n", []string{"no test: exit status 2"}},
	} {
		if diff := cmp.Diff(tt.want, failures(tt.out, errors.New("exit status 2"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestStress: stress finds a test that fails in only one way of running it, and keeps its
// output.
func TestStress(t *testing.T) {
	ztest.NeedPeers(t) // the race detector needs a C compiler
	if testing.Short() {
		t.Skip("builds tests")
	}
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"a/a_test.go": `package a
import ("runtime"; "testing")
func TestFour(t *testing.T) { if runtime.GOMAXPROCS(0) == 4 { t.Error("four is too many") } }
func TestAllocs(t *testing.T) {}
func TestGood(t *testing.T) {}
`,
		"b/b.go": "package b\n",
	} {
		path := filepath.Join(dir, name)
		ztest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
	t.Chdir(dir)
	suites, err := build(t.Context(), t.TempDir(), []string{"./..."})
	ztest.Must(t, err)
	ztest.Must(t, clear(out))
	s := &schedule{suites: suites, deadline: time.Now(), out: out}
	s.run(t.Context(), 2)
	var report strings.Builder
	if !s.report(&report) {
		t.Error("nothing failed")
	}
	for _, want := range []string{
		"   0 of    1 failed, ",
		"s: example.com/m/a, processors: 1\n",
		"s: example.com/m/a, without the race detector\n",
		"s: example.com/m/a, processors: 4\n           1 TestFour\n1 of 3 runs failed\n",
	} {
		if !strings.Contains(report.String(), want) {
			t.Errorf("no %q in\n%s", want, &report)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "1.log"))
	if err != nil || !strings.Contains(string(text), "four is too many") {
		t.Errorf("kept %q, %v", text, err)
	}
}

// TestInterrupted: an interrupt ends the current runs, and these don't count.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip(err)
	}
	hanging := &suite{name: "hanging", argv: []string{"sleep", "1000"}}
	s := &schedule{suites: []*suite{hanging}, deadline: time.Now().Add(time.Hour), out: t.TempDir()}
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx, 2)
	}()
	ztest.Wait(t, "the suite runs", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return hanging.running
	})
	interrupt()
	ztest.Receive(t, "the end of the run", ended)
	if hanging.running || hanging.runs != 0 || s.report(io.Discard) {
		t.Errorf("%+v", hanging)
	}
}

// TestClear: outputs of an earlier run are removed; other files stay.
func TestClear(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	ztest.Must(t, clear(out), os.WriteFile(filepath.Join(out, "1.log"), nil, 0o644), os.WriteFile(filepath.Join(out, "notes"), nil, 0o644), clear(out))
	left, err := os.ReadDir(out)
	if err != nil || len(left) != 1 || left[0].Name() != "notes" {
		t.Errorf("%v, %v", left, err)
	}
}
