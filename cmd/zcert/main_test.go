package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
)

// TestMain lets scripts use the test's binary as zcert, so that they count as coverage.
// Under the race detector, which makes each start slow, they use a zcert that is built
// without it.
func TestMain(m *testing.M) {
	commands := map[string]func(){"zcert": main, "terminal": script.Terminal}
	if ztest.Race {
		delete(commands, "zcert")
	}
	testscript.Main(ztest.WithPrograms(m), commands)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	env := []string{"CAPTURE=" + filepath.Join(ztest.Root(t), "examples/capture")}
	if ztest.Race {
		zcert := ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0")
		env = append(env, "PATH="+filepath.Dir(zcert)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if ztest.Peers() && !testing.Short() {
		env = append(env, "CZMQ="+ztest.CProgram(t, "cert/testdata/czmq.c", "-lczmq"))
	}
	script.Run(t, env...)
}

// TestHelp: the help of all commands has the same form.
func TestHelp(t *testing.T) {
	t.Parallel()
	script.CheckHelp(t, newRoot())
}
