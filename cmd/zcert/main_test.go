package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
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
