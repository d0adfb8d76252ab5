package remote

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// listenAs listens on a socket as another user. Only root can do that.
func listenAs(t *testing.T, uid int, path string) {
	t.Helper()
	listeners := make(chan net.Listener)
	go func() {
		defer close(listeners)
		runtime.LockOSThread() // the thread ends with this goroutine
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			t.Error("becoming another user failed: ", errno)
			return
		}
		nl, err := net.Listen("unix", path)
		if err != nil {
			t.Error(err)
			return
		}
		listeners <- nl
	}()
	nl, ok := <-listeners
	if !ok {
		t.FailNow()
	}
	t.Cleanup(func() { nl.Close() })
}

// TestServerOfAnotherUser: a server that any user could have started is not asked. A
// server of the same user or of root is asked, and so is any server with CURVE.
func TestServerOfAnotherUser(t *testing.T) {
	t.Parallel()
	const nobody = 65534
	// No other user can enter t.TempDir(), nor perhaps TMPDIR.
	open, err := os.MkdirTemp("/tmp", "zcurve-")
	ztest.Must(t, err, os.Chmod(open, 0o777))
	t.Cleanup(func() { os.RemoveAll(open) })
	for name, uid := range map[string]int{"own": os.Getuid(), "nobody's": nobody} {
		t.Run(name, func(t *testing.T) {
			if uid != os.Getuid() && os.Getuid() != 0 {
				t.Skip("only root can be another user")
			}
			path := filepath.Join(open, name)
			listenAs(t, uid, path)
			nc, err := net.Dial("unix", path)
			ztest.Must(t, err)
			defer nc.Close()
			if err = checkServer(nc, "ipc://"+path); uid == os.Getuid() && err == nil {
				return
			}
			if err == nil || !strings.Contains(err.Error(), "runs as user 65534, but every user could run it: every user can write to /") {
				t.Errorf("got %v", err)
			}
			// The server is not asked.
			c := &Handler{link: zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null}}
			if conn, err := c.try(t.Context(), &target{endpoint: "ipc://" + path}); conn != nil || err == nil || !strings.Contains(err.Error(), "every user could run it") {
				t.Errorf("connecting: %v", err)
			}
		})
	}
}

// TestPlace: the paths where every user can create a socket.
func TestPlace(t *testing.T) {
	t.Parallel()
	for path, safe := range map[string]bool{"/zauth": true, "/proc/zauth": true, "@zauth": false} {
		if err := checkPlace(path); (err == nil) != safe {
			t.Errorf("%s: %v", path, err)
		}
	}
	dir := t.TempDir() // t.TempDir() may be below /tmp
	ztest.Must(t,
		os.MkdirAll(filepath.Join(dir, "own/run"), 0o755),
		os.MkdirAll(filepath.Join(dir, "open/own"), 0o755),
		os.Chmod(filepath.Join(dir, "open"), 0o1777), // with the mode of /tmp
		os.Symlink("../own", filepath.Join(dir, "open/link")),
		os.Symlink("own/../own/run", filepath.Join(dir, "link")),
		os.Symlink("open/link", filepath.Join(dir, "chain")),
		os.Symlink("../open/own/zauth", filepath.Join(dir, "own/socket")),
		os.Symlink("run/zauth", filepath.Join(dir, "own/good")),
		os.Symlink("loop", filepath.Join(dir, "loop")))
	for path, safe := range map[string]bool{
		"zauth":            true,
		"own/run/zauth":    true,
		"own/../own/zauth": true,
		"link/zauth":       true,
		"own/good":         true,
		"open/zauth":       false,
		"open/own/zauth":   false, // any user may have created the directory
		"open/link/zauth":  false, // or the link
		"chain/zauth":      false, // to which another link leads
		"own/socket":       false,
		"missing/zauth":    false,
		"loop/zauth":       false,
	} {
		if err := checkWay(dir, path); (err == nil) != safe {
			t.Errorf("%s: %v", path, err)
		}
	}
}
