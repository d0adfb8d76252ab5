package keystore_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestCzmq: czmq reads a directory that this package wrote, without warnings. It finds
// all certificates, including those in groups, and no revoked ones.
func TestCzmq(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	program := ztest.CProgram(t, "keystore/testdata/peers/czmq.c", "-lczmq", "-lzmq")
	dir := t.TempDir()
	s, _ := open(t, dir)
	alice, bob, carol := generate(t, "alice"), generate(t, "bob"), generate(t, "carol")
	ztest.Must(t, s.Put(put(alice), put(bob, "traders"), put(carol)))
	ztest.Must(t, s.Revoke(carol.Public, at, "stolen"))
	for _, hidden := range []string{".lock", ".revoked"} {
		if _, err := os.Stat(filepath.Join(dir, hidden)); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ztest.Context(t), program, dir, alice.Public.String(), bob.Public.String(), carol.Public.String())
	cmd.Stdout, cmd.Stderr = &out, &errs
	ztest.Must(t, cmd.Run())
	want := strings.Repeat("known\nknown\nunknown\n", 2)
	if !strings.HasPrefix(out.String(), want) || errs.Len() > 0 || strings.Contains(out.String(), "W: ") || strings.Contains(out.String(), "E: ") {
		t.Errorf("output:\n%s\nwarnings:\n%s", &out, &errs)
	}
}
