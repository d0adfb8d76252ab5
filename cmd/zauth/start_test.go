//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
)

// TestHangupAtStart: SIGHUP while zauth starts does not end it. zauth reloads once it
// runs.
func TestHangupAtStart(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	fifo := filepath.Join(t.TempDir(), "audit")
	ztest.Must(t, syscall.Mkfifo(fifo, 0o600))
	exe, err := os.Executable()
	ztest.Must(t, err)
	cmd := exec.Command(exe, "serve", "--log-format", "text", "--listen", "tcp://127.0.0.1:*", "--keystore", dir, "--audit", fifo)
	var log ztest.Log
	cmd.Env, cmd.Stderr = append(os.Environ(), asZauth+"=1", "GORACE="+script.WithoutSleep), &log
	stdin, err := cmd.StdinPipe()
	ztest.Must(t, err, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		cmd.Process.Kill()
		stdin.Close()
		<-ended
	}()
	ztest.Wait(t, "it has read the keystore, and opens the audit", func() bool { return log.Count("keystore loaded") > 0 })
	ztest.Must(t, cmd.Process.Signal(syscall.SIGHUP))
	reader, err := os.Open(fifo)
	ztest.Must(t, err)
	defer reader.Close()
	ztest.Wait(t, "it runs, and has reloaded everything", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("zauth ended: %v\n%s", err, &log)
		default:
		}
		return log.Count("listening on ") == 1 && log.Count("msg=reloaded") == 1
	})
}

// TestMountedSecret: zauth does not warn about the mode of a secret that systemd or
// Kubernetes mounts.
func TestMountedSecret(t *testing.T) {
	dir, _ := keystoreOf(t, "service")
	own := cert.Generate("")
	mounted := t.TempDir()
	data := filepath.Join(mounted, "..2026_11_28")
	ztest.Must(t, os.Mkdir(data, 0o755), own.Save(filepath.Join(data, "zauth.key")))
	secret := filepath.Join(data, "zauth.key_secret")
	ztest.Must(t, os.Chmod(secret, 0o440), os.Symlink("..2026_11_28", filepath.Join(mounted, "..data")),
		os.Symlink("..data/zauth.key_secret", filepath.Join(mounted, "zauth.key_secret")))
	for _, tt := range []struct {
		credentials, secret string
		warned              int
	}{
		{"", secret, 1},
		{data, secret, 0},
		{"", filepath.Join(mounted, "zauth.key_secret"), 0},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tt.credentials)
		args := []string{"--listen", "tcp://127.0.0.1:*", "--keystore", dir, "--askers", dir, "--cert", tt.secret}
		if tt.warned == 0 {
			args = append(args, "--strict")
		}
		z := startZauth(t, args...)
		if n := z.log.Count("level=WARN", "other users can read this secret key"); n != tt.warned {
			t.Errorf("%s with %q: %d warnings", strings.TrimPrefix(tt.secret, mounted), tt.credentials, n)
		}
		z.kill()
	}
}

// TestReloadSettings: at SIGHUP, zauth reads the configuration file again. It applies the log
// level, names what needs a restart, and keeps everything while the file is invalid.
func TestReloadSettings(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	file := filepath.Join(t.TempDir(), "zauth.conf")
	unchanged := "listen = tcp://127.0.0.1:*\nkeystore = " + dir + "\n"
	ztest.WriteFile(t, file, unchanged+"log-level = warn\n")
	z := startZauth(t, "--config", file)
	reload := func(text, what string, lines ...string) {
		t.Helper()
		ztest.WriteFile(t, file, text)
		ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
		ztest.Wait(t, what, func() bool { return z.log.Count(lines...) == 1 })
	}
	reload(unchanged+"log-levl = debug\n", "it names the fault", "level=ERROR", "reading the configuration file failed: keeping the previous settings", "zauth.conf:3:1: unknown setting log-levl: did you mean log-level?")
	reload(unchanged+"log-level = loud\n", "it names the level", "level=ERROR", "keeping the previous settings", "must be debug, info, warn or error")
	if z.log.Count("msg=reloaded") != 0 {
		t.Errorf("an invalid file changed the level:\n%s", &z.log)
	}
	reload(unchanged+"log-level = info\nsocket-mode = 0660\naudit = x\n", "it needs a restart", "level=WARN", "restart zauth to apply them", "settings=audit,socket-mode")
	ztest.Wait(t, "it logs at the new level", func() bool { return z.log.Count("msg=reloaded") == 1 })
}
