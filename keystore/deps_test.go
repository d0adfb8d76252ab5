package keystore_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestWithoutBolt: programs that use keystores and policies, but not package boltstore,
// don't link bbolt.
func TestWithoutBolt(t *testing.T) {
	t.Parallel()
	for of, want := range map[string]bool{"keystore": false, "policy": false, "keystore/boltstore": true} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/zcurve/zcurve/"+of).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(out), "go.etcd.io/bbolt"); got != want {
			t.Errorf("%s links bbolt: %v", of, got)
		}
	}
}
