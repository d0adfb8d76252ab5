package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zcurve/zcurve/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zcert": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	source, err := filepath.Abs("../../cert/testdata/czmq.c")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CZMQ_C", source)
			env.Setenv("GORACE", clitest.WithoutSleep)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode":   mode,
			"status": clitest.Status,
		},
	})
}

// mode is "mode FILE 0600".
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode file octal")
	}
	want, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if info.Mode() != fs.FileMode(want) {
		ts.Fatalf("%s has mode %v, want %v", args[0], info.Mode(), fs.FileMode(want))
	}
}

// TestGuide runs the commands in the guide, one after another in one directory,
// and compares what they print. There, "…" stands for any text in a line.
func TestGuide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/certificates.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(block[1], "$ ") {
			t.Fatalf("no command on top of\n%s", block[1])
		}
		for _, step := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			commands++
			command, want, _ := strings.Cut(step, "\n")
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "umask 022; "+command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GORACE="+clitest.WithoutSleep)
			out, err := cmd.CombinedOutput()
			got := strings.TrimSpace(string(out))
			if exit, ok := err.(*exec.ExitError); ok {
				got += fmt.Sprintf("\n(exit code %d)", exit.ExitCode())
			} else if err != nil {
				t.Fatal(err)
			}
			pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*")
			if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
				t.Errorf("$ %s\n%s\nwant\n%s", command, got, want)
			}
		}
	}
	if commands < 5 {
		t.Errorf("found %d commands", commands)
	}
}
