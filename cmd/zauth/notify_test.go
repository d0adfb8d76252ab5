//go:build unix

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// manager is a service manager's notification socket.
type manager struct {
	path   string
	states chan string // of each notification, its lines
}

// newManager listens for notifications until the test ends.
func newManager(t *testing.T) manager {
	t.Helper()
	m := manager{path: filepath.Join(t.TempDir(), "notify"), states: make(chan string, 1000)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: m.path})
	ztest.Must(t, err)
	ztest.Background(t, func(context.Context) error {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return nil
			}
			m.states <- string(buf[:n])
		}
	})
	t.Cleanup(func() { conn.Close() })
	return m
}

// wait returns the next notification with a line that begins with this text.
func (m manager) wait(t *testing.T, line string) string {
	t.Helper()
	for {
		states := ztest.Receive(t, "the notification "+line, m.states)
		if strings.Contains("\n"+states, "\n"+line) {
			return states
		}
	}
}

// TestNotifications: zauth tells systemd that it is ready once it listens, that it reloads
// and has reloaded, that it is alive, its status, and that it stops.
func TestNotifications(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	m := newManager(t)
	z := startZauthWith(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=200000")
	}, "--listen", "tcp://127.0.0.1:*", "--keystore", dir)
	first := ztest.Receive(t, "the first notification", m.states)
	for _, line := range []string{"READY=1", "WATCHDOG=1", "STATUS=keystore " + dir + "; "} {
		if !strings.Contains("\n"+first, "\n"+line) {
			t.Errorf("the first notification has no %s: %q", line, first)
		}
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(z.endpoint, "tcp://")); err != nil {
		t.Errorf("it was not listening: %v", err)
	} else {
		conn.Close()
	}
	for range 3 {
		if states := m.wait(t, "WATCHDOG=1"); strings.Contains(states, "READY=1") {
			t.Errorf("ready again: %q", states)
		}
	}
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
	if states := m.wait(t, "RELOADING=1"); !strings.Contains(states, "\nMONOTONIC_USEC=") && runtime.GOOS == "linux" {
		t.Errorf("a reload without its time: %q", states)
	}
	m.wait(t, "READY=1")
	z.waitFor(t, "msg=reloaded")
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGTERM))
	m.wait(t, "STOPPING=1")
	z.end(t)
	if z.log.Count("level=WARN")+z.log.Count("level=ERROR") != 0 {
		t.Error("it complained")
	}
	if z.log.Count("client refused") != 0 {
		t.Error("its checks of itself are logged as decisions")
	}
}

// TestWatchdogNeedsDecisions: zauth reports itself alive only while its handler decides.
func TestWatchdogNeedsDecisions(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "100000")
	var hangs atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		if hangs.Load() {
			<-ctx.Done()
		}
		return zap.Reply{Status: zap.StatusRefused, Text: "unknown key"}
	})
	log := new(ztest.Log)
	d := &daemon{started: time.Now(), monitor: monitor.New(handler, monitor.Options{})}
	ztest.Background(t, func(ctx context.Context) error {
		d.notifyWhile(ctx, handler, log.Logger())
		return nil
	})
	m.wait(t, "WATCHDOG=1")
	hangs.Store(true)
	ztest.Wait(t, "it notices", func() bool { return log.Count("zauth does not decide") > 1 })
	for len(m.states) > 0 {
		<-m.states
	}
	for range 2 {
		if states := m.wait(t, "STATUS="); strings.Contains(states, "WATCHDOG=1") {
			t.Errorf("alive, but it decides nothing: %q", states)
		}
	}
	if len(d.monitor.Counts()) != 0 {
		t.Error("the checks count as decisions")
	}
}

// TestNotificationsFail: a service manager that does not listen is logged, and stops nothing.
func TestNotificationsFail(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	z := startZauthWith(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+filepath.Join(dir, "nobody"), "WATCHDOG_USEC=soon")
	}, "--listen", "tcp://127.0.0.1:*", "--keystore", dir)
	z.waitFor(t, "level=WARN", "ignoring the watchdog")
	z.waitFor(t, "level=WARN", "notifying the service manager failed")
	ztest.Must(t, z.cmd.Process.Signal(os.Interrupt))
	z.end(t)
}
