package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zcurve/zcurve/internal/ztest/script"
)

// asZauth in the environment makes the test's binary be zauth.
const asZauth = "ZAUTH_TEST_AS_ZAUTH"

func TestMain(m *testing.M) {
	if os.Getenv(asZauth) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"zauth": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", script.WithoutSleep)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode":   script.Mode,
			"status": script.Status,
		},
	})
}
