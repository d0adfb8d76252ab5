//go:build unix

package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { os.Exit(ztest.WithPrograms(m).Run()) }

// fake is a go command that prints what the test sets, and records how it was called.
const fake = `#!/bin/sh
echo "$GOTOOLCHAIN $GOPROXY $*" >> "$CALLS"
case "$*" in
env*) echo '{"GOPROXY": "https://proxy.example,direct", "GOMODCACHE": "/cache"}' ;;
"mod edit"*) echo "$MOD" ;;
list*) echo '{"Version": "v0.1.0", "Dir": "/vulndb", "Time": "2020-02-02T12:00:00Z"}' ;;
*govulncheck*) echo "what it finds"; exit "$FINDINGS" ;;
esac
`

// TestVulncheck: vulncheck prints the age of the database, uses the Go version that
// go.mod requires, continues without a module proxy, and fails if there are findings.
func TestVulncheck(t *testing.T) {
	t.Parallel()
	vulncheck := ztest.GoProgram(t, "internal/vulncheck", "CGO_ENABLED=0")
	bin := t.TempDir()
	ztest.Must(t, os.WriteFile(filepath.Join(bin, "go"), []byte(fake), 0o755))
	for name, tt := range map[string]struct {
		mod, findings, toolchain string
	}{
		"no findings":    {`{"Go": "1.26.0", "Toolchain": "go1.26.99"}`, "0", "go1.26.99"},
		"findings":       {`{"Go": "1.26.0", "Toolchain": "go1.26.99"}`, "1", "go1.26.99"},
		"version in go":  {`{"Go": "1.26.7"}`, "0", "go1.26.7"},
		"another result": {`{"Go": "1.26.7"}`, "3", "go1.26.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := filepath.Join(t.TempDir(), "calls")
			cmd := exec.Command(vulncheck, "./curve", "./zap")
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GOTOOLCHAIN=local", "CALLS="+calls, "MOD="+tt.mod, "FINDINGS="+tt.findings)
			out, err := cmd.CombinedOutput()
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			want := `^database v0\.1\.0 of 2020-02-02, \d{4,} days old\nchecking with ` + tt.toolchain + "\nwhat it finds\n$"
			if !regexp.MustCompile(want).Match(out) || (code == 0) != (tt.findings == "0") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			called, err := os.ReadFile(calls)
			ztest.Must(t, err)
			for _, want := range []string{
				"local https://proxy.example|direct|file:///cache/cache/download mod download golang.org/x/vulndb@latest\n",
				"/cmd/indexdb@v0.1.0 -vulns /vulndb/data/osv -out ",
				"\n" + tt.toolchain + " https://proxy.example|direct|file:///cache/cache/download run golang.org/x/vuln/cmd/govulncheck@v",
				"/db ./curve ./zap\n",
			} {
				if !strings.Contains(string(called), want) {
					t.Errorf("not called: %q in\n%s", want, called)
				}
			}
		})
	}
}
