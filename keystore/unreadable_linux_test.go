package keystore_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zcurve/zcurve/internal/ztest"
)

// asNobody runs a function in a thread whose access to files is an ordinary user's.
func asNobody(t *testing.T, run func()) {
	t.Helper()
	if os.Getuid() != 0 {
		run()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.Setfsuid(65534)
	defer unix.Setfsuid(0)
	if current, _ := unix.SetfsuidRetUid(-1); current != 65534 {
		t.Skip("can't change the user by whom files are opened")
	}
	run()
}

// TestUnreadableGroup: a group's directory that can't be read is told of, and keeps
// nothing else from being seen; what was known of it stays.
func TestUnreadableGroup(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	ztest.Must(t, os.Chmod(filepath.Dir(base), 0o755))
	dir := mkdir(t, base, "clients")
	guests := mkdir(t, dir, "guests", "x")
	alice, bob := add(t, dir, "alice"), add(t, guests, "bob")
	s, log := open(t, dir)
	ztest.Must(t, os.Chmod(guests, 0), os.Remove(filepath.Join(dir, "alice.key")))
	defer os.Chmod(guests, 0o755)
	carol := add(t, dir, "carol")
	asNobody(t, func() {
		for range 2 {
			ztest.Must(t, s.Reload())
		}
		if knows(s, alice) || !knows(s, carol) || !knows(s, bob) {
			t.Errorf("alice %v, carol %v, bob %v", knows(s, alice), knows(s, carol), knows(s, bob))
		}
		if log.Count("level=ERROR", "a group can't be read", "guests/x") != 1 {
			t.Errorf("log:\n%s", log)
		}
		fresh, _ := open(t, dir)
		if !knows(fresh, carol) || knows(fresh, bob) {
			t.Error("a start doesn't know what can be read")
		}
	})
	ztest.Must(t, os.Chmod(guests, 0o755), os.Remove(filepath.Join(guests, "bob.key")), s.Reload())
	if knows(s, bob) {
		t.Error("a group that can be read again isn't")
	}
}
