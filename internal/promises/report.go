package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// module begins the packages' import paths.
const module = "github.com/zcurve/zcurve/"

// event is a line of go test -json. See go doc test2json and go help buildjson.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// result says how a test ended in each run.
type result struct {
	passed, failed, skipped bool
	reason                  string // its output if it was skipped
}

// running is a test of the current package; it may have ended.
type running struct {
	output strings.Builder
	done   string // pass, skip, fail, or "" while it runs
}

// pkg is a package that is being tested. Its own output belongs to the test "".
type pkg struct {
	tests map[string]*running
	order []string
}

// report prints the results of packages as they arrive.
type report struct {
	w       io.Writer
	pkgs    map[string]*pkg // packages that are being tested
	results map[test]*result
	took    map[string]float64 // seconds, of each package in all runs
	bad     map[string]bool    // packages
	failed  bool
}

func newReport(w io.Writer) *report {
	return &report{w: w, pkgs: map[string]*pkg{}, results: map[test]*result{}, took: map[string]float64{}, bad: map[string]bool{}}
}

// read reads events to the end. Other lines, such as the go command's own, are
// printed.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		var e event
		switch {
		case line == "":
		case line[0] != '{' || json.Unmarshal([]byte(line), &e) != nil || e.Action == "":
			fmt.Fprint(r.w, line)
		default:
			r.take(e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(r.w, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.pkgs[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*running{}}
		r.pkgs[e.Package] = p
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &running{}
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
		if e.Test != "" {
			r.result(e)
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "skip", "fail":
		t.done = e.Action
		if e.Test == "" {
			r.end(e, p)
			return
		}
		res := r.result(e)
		res.passed = res.passed || e.Action == "pass"
		res.failed = res.failed || e.Action == "fail"
		if e.Action == "skip" {
			res.skipped, res.reason = true, t.output.String()
		}
	}
}

// result returns the result of an event's test.
func (r *report) result(e event) *result {
	key := test{strings.TrimPrefix(e.Package, module), e.Test}
	if r.results[key] == nil {
		r.results[key] = &result{}
	}
	return r.results[key]
}

// end prints the result of a package: one line if it passed.
func (r *report) end(e event, p *pkg) {
	delete(r.pkgs, e.Package)
	own := p.tests[""].output.String()
	switch e.Action {
	case "skip": // no test files
		return
	case "pass":
		for line := range strings.Lines(own) {
			if strings.HasPrefix(line, "ok  \t") {
				fmt.Fprint(r.w, line)
			}
		}
	case "fail":
		r.failed, r.bad[e.Package] = true, true
		for _, name := range p.order {
			if t := p.tests[name]; name != "" {
				fmt.Fprint(r.w, told(t.output.String(), t.done))
			}
		}
		fmt.Fprint(r.w, own)
	}
	r.took[e.Package] += e.Elapsed
}

var (
	marker  = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME)|\s*--- (PASS|SKIP|BENCH): )`)
	failure = regexp.MustCompile(`^\s*--- FAIL: `)
	logged  = regexp.MustCompile(`^\s+\S+\.go:\d+: `)
)

// told returns the part of a test's output that go test prints when a package fails. For
// a test that failed or didn't end, that is everything, after its name; for other tests,
// it is the output that they didn't log, such as a race with another test.
func told(output, done string) string {
	var first, rest strings.Builder
	stray := false
	for line := range strings.Lines(output) {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		switch {
		case marker.MatchString(line):
			stray = false
		case failure.MatchString(line):
			first.WriteString(line)
			stray = false
		case done == "fail" || done == "":
			rest.WriteString(line)
		case logged.MatchString(line):
			stray = false
		case stray || !indented:
			stray = true
			rest.WriteString(line)
		}
	}
	return first.String() + rest.String()
}

// summary prints the time of each package. A package that hasn't ended has failed.
func (r *report) summary() {
	for name, p := range r.pkgs {
		r.failed, r.bad[name] = true, true
		r.took[name] += 0
		for _, test := range p.order {
			fmt.Fprint(r.w, told(p.tests[test].output.String(), p.tests[test].done))
		}
	}
	if len(r.took) == 0 {
		r.failed = true
	}
	fmt.Fprintln(r.w)
	for _, name := range slices.SortedFunc(maps.Keys(r.took), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.took[a], r.took[b]), cmp.Compare(a, b))
	}) {
		mark := ""
		if r.bad[name] {
			mark = " FAIL"
		}
		fmt.Fprintf(r.w, "%7.1f s  %s%s\n", r.took[name], name, mark)
	}
}
