// Package script holds commands and conditions for the testscript files of both tools.
package script

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zcurve/zcurve/internal/ztest"
)

// WithoutSleep, as GORACE in the environment, keeps the race detector from
// sleeping for a second at the end of each program.
const WithoutSleep = "atexit_sleep_ms=0"

// Run runs the testscript files in the directory testdata. In addition to testscript's
// own commands, they can use the commands await, mode and status, the condition [peers],
// which is [ztest.Peers], and in their environment these variables ("NAME=value") and,
// with peers, PYTHON, the path of Debian's Python.
func Run(t *testing.T, env ...string) {
	t.Helper()
	env = append([]string{"GORACE=" + WithoutSleep}, env...)
	if ztest.Peers() {
		env = append(env, "PYTHON="+ztest.Python(t))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		ContinueOnError:     true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "peers" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return ztest.Peers(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":  await,
			"mode":   mode,
			"status": status,
		},
	})
}

// status is the script command "status 2 zcert …": the program must exit with
// that code. Afterwards, stdout and stderr can check its output.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status code program [argument ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// mode is the script command "mode FILE 0600": the file must have that mode.
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

// await is the script command "await FILE REGEXP ...": it waits until the file, which
// is still written, has a match for each.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await file regexp ...")
	}
	for deadline := time.Now().Add(ztest.Patience); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		missing := ""
		for _, expr := range args[1:] {
			if !regexp.MustCompile("(?m)" + expr).Match(text) {
				missing = expr
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %s in %s within %v, %v:\n%s", missing, args[0], ztest.Patience, err, text)
		}
	}
}
