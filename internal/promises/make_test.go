//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { os.Exit(ztest.WithPrograms(m).Run()) }

// fakeGo is a go command with two packages, whose tests pass.
const fakeGo = `#!/bin/sh
case "$1" in
build) cp "$PROMISES" "$3" ;;
test) echo '{"Action":"pass","Package":"github.com/zcurve/zcurve/zap","Test":"TestRequestString"}'
      echo '{"Action":"pass","Package":"github.com/zcurve/zcurve/zap"}' ;;
esac
`

// TestMake: make unit, the last part of make test, fails if all tests that ran have
// passed, but not all tests that promises need have run.
func TestMake(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	ztest.Must(t, os.WriteFile(filepath.Join(bin, "go"), []byte(fakeGo), 0o755))
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "unit", "TESTED=./zap", "UNRACED=./zap")
	cmd.Dir = ztest.Root(t)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "MAKEFLAGS=", "GO=go",
		"PROMISES="+ztest.GoProgram(t, "internal/promises", "CGO_ENABLED=0"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), " curve.TestSecretsDontPrint: it didn't run\n") || strings.Contains(string(out), " zap.TestRequestString: ") {
		t.Errorf("%v\n%s", err, out)
	}
}
