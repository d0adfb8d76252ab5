package keystore_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zcurve/zcurve/internal/ztest"
)

// obeyingModes runs a function in a thread that obeys file modes, even if the test runs
// as root.
func obeyingModes(t *testing.T, run func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all [2]unix.CapUserData // 32 capabilities each
	ztest.Must(t, unix.Capget(&header, &all[0]))
	fewer := all
	fewer[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	ztest.Must(t, unix.Capset(&header, &fewer[0]))
	defer func() { ztest.Must(t, unix.Capset(&header, &all[0])) }()
	run()
}

// TestUnreadableGroup: a group's directory that can't be read is logged, and its last known
// identities stay. Everything else is read.
func TestUnreadableGroup(t *testing.T) {
	t.Parallel()
	dir := mkdir(t, t.TempDir(), "clients")
	guests := mkdir(t, dir, "guests", "x")
	alice, bob := add(t, dir, "alice"), add(t, guests, "bob")
	s, log := open(t, dir)
	ztest.Must(t, os.Chmod(guests, 0), os.Remove(filepath.Join(dir, "alice.key")))
	defer os.Chmod(guests, 0o755)
	carol := add(t, dir, "carol")
	obeyingModes(t, func() {
		for range 2 {
			ztest.Must(t, s.Reload())
		}
		if knows(s, alice) || !knows(s, carol) || !knows(s, bob) {
			t.Errorf("alice %v, carol %v, bob %v", knows(s, alice), knows(s, carol), knows(s, bob))
		}
		if log.Count("level=ERROR", "reading a group failed", "guests/x") != 1 {
			t.Errorf("log:\n%s", log)
		}
		fresh, _ := open(t, dir)
		if !knows(fresh, carol) || knows(fresh, bob) {
			t.Error("opened, although a group can't be read")
		}
	})
	ztest.Must(t, os.Chmod(guests, 0o755), os.Remove(filepath.Join(guests, "bob.key")), s.Reload())
	if knows(s, bob) {
		t.Error("a readable group wasn't read again")
	}
}
