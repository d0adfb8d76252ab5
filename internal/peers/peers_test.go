package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// TestSwap: only imports of go-zeromq's public packages change.
func TestSwap(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`import "github.com/go-zeromq/zmq4"`:                 "\"github.com/zcurve/zcurve/sockets/zmq4\"",
		`import z "github.com/go-zeromq/zmq4/security/null"`: "\"github.com/zcurve/zcurve/sockets/zmq4/security/null\"",
		`import "github.com/go-zeromq/zmq4/security/plain"`:  "\"github.com/zcurve/zcurve/sockets/zmq4/security/plain\"",
		`import "github.com/go-zeromq/zmq4/transport"`:       "\"github.com/zcurve/zcurve/sockets/zmq4/transport\"",
		`import "github.com/go-zeromq/zmq4x"`:                "\"github.com/go-zeromq/zmq4x\"",
		`import "github.com/go-zeromq/goczmq/v4"`:            "\"github.com/go-zeromq/goczmq/v4\"",
		`// as github.com/go-zeromq/zmq4 does`:               "// as github.com/go-zeromq/zmq4 does",
	} {
		if got := swap(source); !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %s", source, got)
		}
	}
}

// TestKeepExternal: of go-zeromq, only tests that see what its users see remain.
func TestKeepExternal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, source := range map[string]string{
		"pub.go":                     "package zmq4",
		"queue_test.go":              "package zmq4",
		"rep_test.go":                "package zmq4_test\n\nvar _ = zmq4.Devnull",
		"go.mod":                     "module example.com/m",
		"security/null/null_test.go": "package null_test",
		"internal/a/a_test.go":       "package a_test",
		"leaks_test/leaks.go":        "package leaks_test",
	} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		ztest.Must(t, errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(source), 0o666)))
	}
	ztest.Must(t, keepExternal(dir))
	var left []string
	ztest.Must(t, eachGo(dir, func(name string, source []byte) error {
		rel, err := filepath.Rel(dir, name)
		left = append(left, filepath.ToSlash(rel))
		if strings.Contains(string(source), "zmq4.Devnull") {
			t.Errorf("%s uses a logger that only internal tests have", rel)
		}
		return err
	}))
	slices.Sort(left)
	if want := []string{"devnull_test.go", "rep_test.go", "security/null/null_test.go"}; !slices.Equal(left, want) {
		t.Errorf("left: %q, want %q", left, want)
	}
}

const printed = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"fine\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
not JSON
{"Action":"output","Package":"p","Test":"TestB/sub","Output":"why: DATA RACE\n"}
{"Action":"fail","Package":"p","Test":"TestB/sub"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}
{"Action":"output","Package":"q","Output":"panic\n"}
{"Action":"fail","Package":"q"}
{"Action":"pass","Package":"r"}
`

// TestParse: tests count without their subtests, and a package that fails outside of
// its tests is a failure.
func TestParse(t *testing.T) {
	t.Parallel()
	got, output := parse([]byte(printed))
	if got.passed != 1 || got.skipped != 1 || !slices.Equal(got.failures, []string{"TestB", "q"}) {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(got.races, []string{"TestB"}) {
		t.Errorf("races: %q", got.races)
	}
	if string(output) != "why: DATA RACE\npanic\n" {
		t.Errorf("got output %q", output)
	}
}

// TestTable: the table has all results, and each known failure has its reason.
func TestTable(t *testing.T) {
	t.Parallel()
	busy := result{program: programs[0], built: true, took: 90 * time.Second,
		tests: tests{passed: 30, failures: []string{"TestConnMaxRetriesInfinite"}}}
	broken := result{program: program{name: "x", git: "y", version: "0123456789"}, err: errors.New("does not build")}
	got := table([]result{busy, broken})
	for _, want := range []string{
		"\n| go-zeromq | v0.17.0 | yes | 31 | 30 | 1: TestConnMaxRetriesInfinite | 90 s |\n",
		"\n| x | 0123456 | **no** | 0 | 0 | 0 | 0 s |\n",
		"\n- go-zeromq, TestConnMaxRetriesInfinite: " + known["go-zeromq/TestConnMaxRetriesInfinite"] + "\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if len(busy.unexplained()) != 0 || len(broken.unexplained()) != 1 {
		t.Errorf("unexplained: %q, %q", busy.unexplained(), broken.unexplained())
	}
	racy := busy
	racy.tests.races = racy.tests.failures
	if got := racy.unexplained(); len(got) != 1 {
		t.Errorf("a race is excused: %q", got)
	}
	busy.tests.failures = append(busy.tests.failures, "TestPubSub")
	if got := busy.unexplained(); !slices.Equal(got, []string{"TestPubSub"}) {
		t.Errorf("unexplained: %q", got)
	}
}

// TestPrograms: names are unique, each program is pinned, and known failures belong to
// one of them.
func TestPrograms(t *testing.T) {
	t.Parallel()
	all := names(programs)
	for i, p := range programs {
		if slices.Index(all, p.name) != i || p.version == "" || (p.git == "") == (p.module == "") || len(p.build) == 0 {
			t.Errorf("%+v", p)
		}
		if p.git != "" && len(p.version) != 40 {
			t.Errorf("%s: version %q is not a commit", p.name, p.version)
		}
	}
	for name := range known {
		if program, _, _ := strings.Cut(name, "/"); len(choose(programs, program)) != 1 {
			t.Errorf("known failure of unknown program: %s", name)
		}
	}
}

// TestDocumented: docs/peers.md has each program, its version and each known failure.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/peers.md")
	ztest.Must(t, err)
	for _, p := range programs {
		if row := "| [" + p.name + "]("; !strings.Contains(string(text), row) || !strings.Contains(string(text), ") | "+short(p)+" |") {
			t.Errorf("no row of %s %s", p.name, short(p))
		}
	}
	for name := range known {
		if _, test, _ := strings.Cut(name, "/"); !strings.Contains(string(text), "- `"+test+"` ") {
			t.Errorf("nothing about %s", test)
		}
	}
}

// TestDrive: a Jupyter kernel that ends is a failure, and the test of a program.
func TestDrive(t *testing.T) {
	t.Parallel()
	ztest.Python(t)
	dir := t.TempDir()
	ztest.Must(t, os.WriteFile(filepath.Join(dir, kernelFile), []byte("#!/bin/sh\nexit 1\n"), 0o777))
	r := &runner{dir: dir}
	got, err := r.drive(t.Context(), program{name: "x", kernel: &kernel{}}, dir)
	if err != nil || got.passed != 0 || !slices.Equal(got.failures, []string{"jupyter_client"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}
