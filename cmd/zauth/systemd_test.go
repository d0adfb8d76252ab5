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

// TestSystemdUnits: systemd accepts the unit of the guide, with and without each change
// to it.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "zauth.md"))
	ztest.Must(t, err)
	var units [][]byte
	for _, block := range regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllSubmatch(guide, -1) {
		// systemd checks that the program exists.
		units = append(units, bytes.ReplaceAll(block[1], []byte("/usr/local/bin/zauth"), []byte("/bin/true")))
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
