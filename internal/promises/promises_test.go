package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// sample is a module with tests that pass, fail, are skipped, and don't compile.
const sample = "testdata/sample"

// events returns the output of go test -json for the sample's packages, without C, of a
// first and a second run.
var events = sync.OnceValue(func() string {
	var out bytes.Buffer
	for _, args := range [][]string{{"RUN=1", "./good", "./bad", "./panics", "./broken"}, {"RUN=2", "./good"}} {
		cmd := exec.Command("go", append([]string{"test", "-json", "-count=1"}, args[1:]...)...)
		cmd.Dir = sample
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", args[0])
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.Run() // fails, of course
	}
	return out.String()
})

// onlyGood returns the events of the package without failing tests.
func onlyGood() string {
	var out strings.Builder
	for line := range strings.Lines(events()) {
		if strings.Contains(line, `"Package":"github.com/zcurve/zcurve/good"`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// check runs the tool on events and a table with these tests, and returns its output.
func check(t *testing.T, events string, peers bool, tests ...string) (out string, ok bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "promises.md")
	document := "# Promises\n\n| promise | test |\n| --- | --- |\n"
	for _, test := range tests {
		document += "| A promise. | `" + test + "` |\n"
	}
	ztest.Must(t, os.WriteFile(file, []byte(document), 0o600))
	var w strings.Builder
	ok, err := run(&w, strings.NewReader(events), file, sample, peers)
	ztest.Must(t, err)
	return strings.ReplaceAll(w.String(), file, "promises.md"), ok
}

// TestKept: a promise is kept if its test passed in any run, and broken if the test
// doesn't exist, didn't run, failed, or was skipped, as a whole or in part. Without
// peers, only tests that need them are excused.
func TestKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		test, want, withoutPeers string // "" if it is kept
	}{
		{"good.TestGood", "", ""},
		{"good.TestParts", "", ""},
		{"good.TestParts/one_part", "", ""},
		{"good.TestSecondRun", "", ""},
		{"good.FuzzGood", "", ""},
		{"good.Example", "", ""},
		{"good.TestPartSkipped/one", "", ""},
		{"good.TestPartSkipped", "skipped: good.TestPartSkipped/other", "skipped: good.TestPartSkipped/other"},
		{"good.TestSkipped", "skipped: good.TestSkipped", "skipped: good.TestSkipped"},
		{"good.TestParts/third", "it didn't run", "it didn't run"},
		{"good.TestMissing", "there is no such test", "there is no such test"},
		{"good.Testhelper", "there is no such test", "there is no such test"},
		{"missing.TestGood", "there is no such test", "there is no such test"},
		{"good.TestPeers", "skipped: good.TestPeers", "excused"},
		{"good.TestWithC", "it didn't run", "excused"},
		{"bad.TestFails", "it failed", "it failed"},
		{"bad.TestFails/one", "it failed", "it failed"},
		{"bad.TestFails/other", "", ""},
		{"panics.TestPanics", "it failed", "it failed"},
		{"panics.TestNever", "it didn't run", "it didn't run"},
		{"broken.TestBroken", "it didn't run", "it didn't run"},
	} {
		for peers, want := range map[bool]string{true: tt.want, false: tt.withoutPeers} {
			out, _ := check(t, events(), peers, tt.test)
			_, got, _ := strings.Cut(out, "promises.md:")
			switch want {
			case "":
				want = " 1 promises kept, 0 broken\n"
			case "excused":
				want = " 0 promises kept, 0 broken, 1 not tested without libzmq, czmq and pyzmq\n"
			default:
				want = "5: " + tt.test + ": " + want + "\npromises.md: 0 promises kept, 1 broken\n"
			}
			if got != want {
				t.Errorf("%s, peers %v: got %q, want %q", tt.test, peers, got, want)
			}
		}
	}
}

// TestFails: the run fails if a promise is broken, a test fails, a package doesn't
// finish, or there are no results.
func TestFails(t *testing.T) {
	t.Parallel()
	good := onlyGood()
	for name, tt := range map[string]struct {
		events, test string
		want         bool
	}{
		"all is well":          {good, "good.TestGood", true},
		"a broken promise":     {good, "good.TestSkipped", false},
		"a test that fails":    {events(), "good.TestGood", false},
		"an unfinished test":   {good + `{"Action":"run","Package":"github.com/zcurve/zcurve/good","Test":"TestGood"}` + "\n", "good.TestGood", false},
		"no tests":             {"", "good.TestGood", false},
		"no JSON":              {"go: no packages\n", "good.TestGood", false},
		"something in-between": {"warning\n" + good, "good.TestGood", true},
	} {
		if out, ok := check(t, tt.events, true, tt.test); ok != tt.want {
			t.Errorf("%s: got %v\n%s", name, ok, out)
		}
	}
}

// TestOutput: the output is that of go test without -json: everything about failing tests
// and packages that don't compile, and one line for each package that passes.
func TestOutput(t *testing.T) {
	t.Parallel()
	out, _ := check(t, events()+"warning: no JSON\n{no JSON either\n", true, "good.TestGood")
	for _, want := range []string{
		"undefined: undefined\n",
		"stray: first\n  stray: second\n",
		"--- FAIL: TestFails (0.00s)\n    bad_test.go:14: logged before\n",
		"--- FAIL: TestFails/one (0.00s)\n    bad_test.go:15: wrong here\n",
		"FAIL\tgithub.com/zcurve/zcurve/bad\t",
		"FAIL\tgithub.com/zcurve/zcurve/broken [build failed]\n",
		"panic: oh no",
		"FAIL\tgithub.com/zcurve/zcurve/panics\t",
		"ok  \tgithub.com/zcurve/zcurve/good\t",
		"warning: no JSON\n{no JSON either\n",
		" s  github.com/zcurve/zcurve/good\n",
		" s  github.com/zcurve/zcurve/bad FAIL\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, unwanted := range []string{"quiet", "=== ", "--- PASS", "--- SKIP", "PASS\n"} {
		if strings.Contains(out, unwanted) {
			t.Errorf("%q is there", unwanted)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestMalformed: a row that doesn't name a test is an error with its line.
func TestMalformed(t *testing.T) {
	t.Parallel()
	const head = "| promise | test |\n| --- | --- |\n"
	for name, tt := range map[string]struct{ document, want string }{
		"nothing":          {"", "p.md: no table of promises"},
		"another table":    {"| name | value |\n| --- | --- |\n| a | b |\n", "p.md: no table of promises"},
		"no test":          {head + "| A promise. | |\n", "p.md:3: no test of this promise"},
		"no promise":       {head + "| | `a.TestB` |\n", "p.md:3: no promise"},
		"one cell":         {head + "| A promise. |\n", "p.md:3: expected two cells"},
		"three cells":      {head + "| A promise. | `a.TestB` | `a.TestC` |\n", "p.md:3: expected two cells"},
		"no end":           {head + "| A promise. | `a.TestB`\n", "p.md:3: expected two cells"},
		"no package":       {head + "| A promise. | `TestB` |\n", "p.md:3: malformed test \"`TestB`\""},
		"no code":          {head + "| A promise. | a.TestB |\n", "p.md:3: malformed test \"a.TestB\""},
		"a benchmark":      {head + "| A promise. | `a.BenchmarkB` |\n", "malformed test"},
		"a blank":          {head + "| A promise. | `a.TestB/one part` |\n", "malformed test"},
		"no second test":   {head + "| A promise. | `a.TestB`, |\n", "p.md:3: malformed test \"\""},
		"the second wrong": {head + "| A promise. | `a.TestB` |\n| Another. | later |\n", "p.md:4: malformed test"},
	} {
		if _, err := parse("p.md", tt.document); err == nil || !strings.HasPrefix(err.Error(), "p.md") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	got, err := parse("p.md", "Text.\n\n"+head+"| One, two. | `a.TestB`, `a/b.FuzzC/seed#0` |\n\n| name | value |\n| a | b |\n")
	if err != nil || len(got) != 1 || got[0].line != 5 || got[0].text != "One, two." || len(got[0].tests) != 2 || got[0].tests[1] != (test{"a/b", "FuzzC/seed#0"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestDocument: the promises of this module name tests that exist.
func TestDocument(t *testing.T) {
	t.Parallel()
	root := ztest.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "promises.md"))
	ztest.Must(t, err)
	promises, err := parse("docs/promises.md", string(text))
	ztest.Must(t, err)
	c := checker{root: root}
	for _, p := range promises {
		for _, test := range p.tests {
			if !c.exists(test, true) {
				t.Errorf("docs/promises.md:%d: there is no test %s", p.line, test)
			}
		}
	}
}

// FuzzParse: no document makes parse panic, and each promise that it accepts has tests.
func FuzzParse(f *testing.F) {
	f.Add("| promise | test |\n| --- | --- |\n| A promise. | `a.TestB`, `a/b.FuzzC/seed#0` |\n")
	f.Add("| promise | test |\n||\n| | |\n|||\n| a | `` |\n")
	f.Fuzz(func(t *testing.T, document string) {
		promises, err := parse("p.md", document)
		if err == nil && len(promises) == 0 {
			t.Fatal("neither a promise nor an error")
		}
		for _, p := range promises {
			if p.text == "" || p.line == 0 || len(p.tests) == 0 {
				t.Errorf("%+v", p)
			}
		}
	})
}
