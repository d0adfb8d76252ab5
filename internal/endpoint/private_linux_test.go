package endpoint

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestSocketsArePrivate checks that only its owner can use the file of an ipc endpoint,
// from the first moment on, whatever the umask is. The umask is the process's, so no other
// test runs at the same time.
func TestSocketsArePrivate(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o777} {
		before := syscall.Umask(umask)
		path := filepath.Join(t.TempDir(), "socket")
		ln, err := (&net.ListenConfig{Control: makePrivate}).Listen(t.Context(), "unix", path)
		syscall.Umask(before)
		ztest.Must(t, err)
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm()&^0o600 != 0 {
			t.Errorf("umask %03o: when created, it is %v, %v", umask, info.Mode(), err)
		}
		ztest.Must(t, ln.Close())

		before = syscall.Umask(umask & 0o077)
		ln, err = Listen(t.Context(), "ipc://"+path)
		syscall.Umask(before)
		ztest.Must(t, err)
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("umask %03o: it is %v, %v", umask, info.Mode(), err)
		}
		ztest.Must(t, ln.Close())
	}
}
