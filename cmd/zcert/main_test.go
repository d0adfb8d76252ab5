package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zcurve/zcurve/internal/ztest/script"
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
			env.Setenv("GORACE", script.WithoutSleep)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode":   script.Mode,
			"status": script.Status,
		},
	})
}
