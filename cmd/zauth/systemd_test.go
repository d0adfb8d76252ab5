//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// systemdAnalyze returns the path of the program that checks units. It skips the test without it.
func systemdAnalyze(t *testing.T) string {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	return analyze
}

// TestSystemdUnits: systemd accepts zauth's unit with each change to it in the guide.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	analyze := systemdAnalyze(t)
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "zauth.md"))
	ztest.Must(t, err)
	unit, err := os.ReadFile(filepath.Join("..", "..", "contrib", "systemd", "zauth.service"))
	ztest.Must(t, err)
	units := [][]byte{bytes.ReplaceAll(unit, []byte("/usr/bin/zauth"), []byte("/bin/true"))}
	for _, block := range regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllSubmatch(guide, -1) {
		// systemd checks that the program exists.
		units = append(units, bytes.ReplaceAll(block[1], []byte("/usr/bin/zauth"), []byte("/bin/true")))
	}
	if len(units) < 3 {
		t.Fatalf("%d units in the guide", len(units))
	}
	for i := range units {
		dir := t.TempDir()
		unit := filepath.Join(dir, "zauth.service")
		ztest.Must(t, os.WriteFile(unit, units[0], 0o644))
		if i > 0 {
			ztest.Must(t, os.Mkdir(unit+".d", 0o755), os.WriteFile(filepath.Join(unit+".d", fmt.Sprintf("%d.conf", i)), units[i], 0o644))
		}
		cmd := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit)
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		out, err := cmd.CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("zauth.service:")) {
			t.Errorf("change %d: %v\n%s", i, err, out)
		}
	}
}

// TestUnits: systemd accepts the units in contrib without a warning, and finds little that a
// zauth that was taken over could do.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze := systemdAnalyze(t)
	from, dir := filepath.Join("..", "..", "contrib", "systemd"), t.TempDir()
	names := []string{"zauth.service", "zauth.socket", "example.service"}
	for _, name := range names {
		unit, err := os.ReadFile(filepath.Join(from, name))
		// systemd checks that the program exists.
		unit = regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(unit, []byte("ExecStart=/bin/true"))
		ztest.Must(t, err, os.WriteFile(filepath.Join(dir, name), unit, 0o644))
	}
	run := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), analyze, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		out, err := cmd.CombinedOutput()
		for _, name := range names {
			if err != nil || args[0] == "verify" && bytes.Contains(out, []byte(name+":")) {
				t.Errorf("%v: %v\n%s", args, err, out)
				return
			}
		}
	}
	for _, name := range names {
		run("verify", "--man=no", name)
	}
	run("security", "--offline=true", "--no-pager", "--threshold=20", "zauth.service") // 2.0
}
