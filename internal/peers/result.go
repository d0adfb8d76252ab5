package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// result says whether a program has been built and which of its tests failed.
type result struct {
	program
	err    error // why it could not be tested
	built  bool
	tests  tests
	output []byte // of the tests that failed
	took   time.Duration
}

// tests counts tests, without their subtests.
type tests struct {
	passed, skipped int
	failures        []string // names of tests, or of packages that failed outside of them
	races           []string // those of failures in which the race detector has found one
}

func (t *tests) add(more tests) {
	t.passed += more.passed
	t.skipped += more.skipped
	t.failures = append(t.failures, more.failures...)
	t.races = append(t.races, more.races...)
}

func (r result) failed() bool { return len(r.tests.failures) > 0 }

// unexplained returns the failures that the list of known ones has no reason for. A race
// has no excuse.
func (r result) unexplained() []string {
	var list []string
	if r.err != nil {
		list = append(list, r.name)
	}
	for _, test := range r.tests.failures {
		if known[r.name+"/"+test] == "" || slices.Contains(r.tests.races, test) {
			list = append(list, test)
		}
	}
	return list
}

// event is one line of what go test -json prints.
type event struct{ Action, Package, Test, Output string }

// parse reads what go test -json has printed. It also returns the output of the tests
// and packages that failed. It ignores lines that are not JSON, such as those of a
// program that writes to the standard output of go test.
func parse(out []byte) (tests, []byte) {
	var t tests
	var failed []byte
	output := make(map[string][]byte) // by package and test
	explained := make(map[string]bool)
	for line := range bytes.Lines(out) {
		var e event
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		test, _, sub := strings.Cut(e.Test, "/")
		key := e.Package + " " + test
		switch {
		case e.Action == "output":
			output[key] = append(output[key], e.Output...)
		case sub:
		case e.Action == "pass" && test != "":
			t.passed++
		case e.Action == "skip" && test != "":
			t.skipped++
		case e.Action == "fail" && (test != "" || !explained[e.Package]):
			explained[e.Package] = true
			failed = append(failed, output[key]...)
			if test == "" {
				test = e.Package
			}
			t.failures = append(t.failures, test)
			if bytes.Contains(output[key], []byte("DATA RACE")) {
				t.races = append(t.races, test)
			}
		}
	}
	return t, failed
}

// table returns the results as a table in Markdown, and the reasons of known failures.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| program | version | built | tests | passed | failed | time |\n|---|---|---|---|---|---|---|\n")
	var reasons []string
	for _, r := range results {
		built := "yes"
		if !r.built {
			built = "**no**"
		}
		failed := fmt.Sprint(len(r.tests.failures))
		if r.failed() {
			failed += ": " + strings.Join(r.tests.failures, ", ")
		}
		if r.built && r.err != nil {
			failed = "**not tested**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %d s |\n", r.name, short(r.program), built,
			r.tests.passed+len(r.tests.failures), r.tests.passed, failed, int(r.took.Seconds()))
		for _, test := range r.tests.failures {
			if reason := known[r.name+"/"+test]; reason != "" && !slices.Contains(r.tests.races, test) {
				reasons = append(reasons, fmt.Sprintf("- %s, %s: %s\n", r.name, test, reason))
			}
		}
	}
	if len(reasons) > 0 {
		slices.Sort(reasons)
		b.WriteString("\nKnown failures:\n\n" + strings.Join(reasons, ""))
	}
	return b.String()
}

// short returns a version without most digits of a commit.
func short(p program) string {
	if p.git != "" {
		return p.version[:min(len(p.version), 7)]
	}
	return p.version
}
