package ztest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestMakeDeps: make test begins with make deps, which reports at once which requirements
// can't be installed.
func TestMakeDeps(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t) // whether the system has apt-get and dpkg-query
	script := func(text string) string { return "#!/bin/sh\n" + text + "\n" }
	for _, tt := range []struct {
		name     string
		commands map[string]string // commands of the system, in addition to the usual ones
		fails    bool
		want     string
	}{
		{"nothing missing",
			map[string]string{"apt-get": script("exit 1"), "dpkg-query": script(`shift 3; for p; do echo "$p installed"; done`)},
			false, ""},
		{"no sudo",
			map[string]string{"apt-get": script("exit 1"), "dpkg-query": script("echo gcc installed; exit 1"), "id": script("echo 1000")},
			true, "could not install them: needs root or sudo"},
		{"sudo refuses",
			map[string]string{"apt-get": script("exit 0"), "dpkg-query": script("echo gcc installed; exit 1"), "id": script("echo 1000"), "sudo": script("exit 1")},
			true, "could not install them: needs root or sudo"},
		{"fails to install",
			map[string]string{"apt-get": script("echo no network; exit 1"), "dpkg-query": script("echo gcc installed; exit 1"), "id": script("echo 0")},
			true, "then run: apt-get install"},
		{"another system",
			nil,
			false, "no apt-get: leaving out what needs libzmq, czmq, pyzmq or gcc"},
		{"no go",
			map[string]string{"go": ""},
			true, "needs Go 1.26 or later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			for _, name := range []string{"awk", "cut", "date", "dirname", "env", "go", "grep", "id", "make", "sh", "sort", "xargs"} {
				if _, ok := tt.commands[name]; ok {
					continue
				}
				found, err := exec.LookPath(name)
				ztest.Must(t, err, os.Symlink(found, filepath.Join(path, name)))
			}
			for name, text := range tt.commands {
				if text != "" {
					ztest.Must(t, os.WriteFile(filepath.Join(path, name), []byte(text), 0o755))
				}
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(path, "make"), "--no-print-directory", "deps")
			cmd.Dir = ztest.Root(t)
			cmd.Env = append(os.Environ(), "PATH="+path, "MAKEFLAGS=", "GO=go", "ZCURVE_TEST_PEERS=")
			out, err := cmd.CombinedOutput()
			if (err != nil) != tt.fails || !strings.Contains(string(out), tt.want) || tt.want == "" && len(out) > 0 {
				t.Errorf("%v, want %q in\n%s", err, tt.want, out)
			}
			if _, ok := tt.commands["id"]; ok && (strings.Contains(string(out), " gcc") || !strings.Contains(string(out), "installing Debian packages: ") || !strings.Contains(string(out), " libzmq3-dev")) {
				t.Errorf("names the wrong packages:\n%s", out)
			}
		})
	}
}
