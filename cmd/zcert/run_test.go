package main

import (
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

// zcert runs a command line, which must succeed, and returns its stdout.
func zcert(t testing.TB, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := cli.Run(ztest.Context(t), newRoot(), args, strings.NewReader(""), &stdout, &stderr); code != cli.ExitDone {
		t.Errorf("zcert %q: exit code %d: %s", args, code, stderr.String())
	}
	return stdout.String()
}
