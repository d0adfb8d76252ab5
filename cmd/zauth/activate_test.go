//go:build linux

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// passing changes a command to start as systemd starts it, with these sockets.
func passing(sockets ...*os.File) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		// Only the process itself knows its id.
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, cmd.Args...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+string(rune('0'+len(sockets))), "LISTEN_FDNAMES="+strings.Repeat("zauth.socket:", len(sockets)-1)+"zauth.socket")
		cmd.ExtraFiles = sockets
	}
}

// socketOf listens on an address, and returns the socket and its endpoint.
func socketOf(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen(network, address)
	ztest.Must(t, err)
	defer ln.Close()
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := ln.(interface{ File() (*os.File, error) }).File()
	ztest.Must(t, err)
	t.Cleanup(func() { f.Close() })
	if network == "unix" {
		return f, "ipc://" + address
	}
	return f, "tcp://" + ln.Addr().String()
}

// refusedWith returns what zauth prints when it refuses to start with these sockets.
func refusedWith(t *testing.T, sockets []*os.File, args ...string) string {
	t.Helper()
	exe, err := os.Executable()
	ztest.Must(t, err)
	cmd := exec.Command(exe, append([]string{"serve", "--log-format", "text"}, args...)...)
	cmd.Env = append(os.Environ(), asZauth+"=1", "GORACE="+script.WithoutSleep)
	passing(sockets...)(cmd)
	var out ztest.Log
	cmd.Stderr = &out
	stdin, err := cmd.StdinPipe()
	ztest.Must(t, err)
	defer stdin.Close()
	if err := cmd.Run(); err == nil {
		t.Error("it started")
	}
	return out.String()
}

// TestPassedSockets: zauth serves on the sockets that systemd passes, over TCP and ipc, and
// leaves the file of an ipc socket to systemd.
func TestPassedSockets(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	path := filepath.Join(t.TempDir(), "zauth")
	tcp, tcpEndpoint := socketOf(t, "tcp", "127.0.0.1:0")
	ipc, ipcEndpoint := socketOf(t, "unix", path)
	ztest.Must(t, os.Chmod(path, 0o666))
	z := startZauthWith(t, passing(tcp, ipc), "--listen", ipcEndpoint, "--listen", tcpEndpoint, "--keystore", dir)
	for _, at := range []string{tcpEndpoint, ipcEndpoint} {
		z.waitFor(t, "listening on "+at)
		if reply := askOnce(t, at, keys[0]); reply.Status != 200 {
			t.Errorf("%s: %+v", at, reply)
		}
	}
	z.waitFor(t, "level=WARN", "every local user can connect", ipcEndpoint)
	ztest.Must(t, z.cmd.Process.Signal(os.Interrupt))
	z.end(t)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket is gone: the next start needs it: %v", err)
	}
}

// TestPassedSocketsRefused: zauth refuses a socket that other machines can reach without
// CURVE, whatever the endpoints say, and one that it would not use.
func TestPassedSocketsRefused(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	open, openEndpoint := socketOf(t, "tcp", "0.0.0.0:0")
	_, port, _ := strings.Cut(openEndpoint, "0.0:")
	if port == "" {
		_, port, _ = strings.Cut(openEndpoint, "[::]:")
	}
	local, localEndpoint := socketOf(t, "tcp", "127.0.0.1:0")
	conn, err := net.Dial("tcp", strings.TrimPrefix(localEndpoint, "tcp://"))
	ztest.Must(t, err)
	defer conn.Close()
	connected, err := conn.(*net.TCPConn).File()
	ztest.Must(t, err)
	defer connected.Close()
	plain, err := os.Open(os.DevNull)
	ztest.Must(t, err)
	defer plain.Close()
	for _, tt := range []struct {
		name   string
		socket *os.File
		listen string
		err    string
	}{
		{"open", open, "tcp://*:" + port, "refusing to listen on tcp://*:" + port + " without CURVE"},
		{"open, asked for on loopback", open, "tcp://127.0.0.1:" + port, "systemd passed the socket zauth.socket on "},
		{"open, asked for on localhost", open, "tcp://localhost:" + port, "systemd passed the socket zauth.socket on "},
		{"not asked for", local, "tcp://127.0.0.1:*", "hint: pass --listen " + localEndpoint},
		{"connected", connected, "tcp://127.0.0.1:*", "systemd passed zauth.socket, which zauth cannot use: it does not listen for connections"},
		{"no socket", plain, "tcp://127.0.0.1:*", "systemd passed zauth.socket, which zauth cannot use: "},
	} {
		if out := refusedWith(t, []*os.File{tt.socket}, "--listen", tt.listen, "--keystore", dir); !strings.Contains(out, tt.err) {
			t.Errorf("%s: %s", tt.name, out)
		}
	}
}

// TestPassedSocketCurve: zauth serves by CURVE on a socket that other machines can reach.
func TestPassedSocketCurve(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "service")
	open, at := socketOf(t, "tcp", "0.0.0.0:0")
	port := at[strings.LastIndex(at, ":"):]
	own := filepath.Join(t.TempDir(), "zauth.key")
	ztest.Must(t, cert.Generate("").Save(own))
	z := startZauthWith(t, passing(open), "--listen", "tcp://*"+port, "--keystore", dir, "--askers", dir, "--cert", own+cert.SecretSuffix)
	z.waitFor(t, "listening on tcp://", port)
}

// askOnce asks the zauth at an endpoint about a client.
func askOnce(t *testing.T, at string, client curve.SecretKey) zap.Reply {
	t.Helper()
	h, err := remote.NewHandler(remote.Options{}, at)
	ztest.Must(t, err)
	defer h.Close()
	key := client.Public()
	return h.Handle(ztest.Context(t), &zap.Request{Address: "127.0.0.1", Mechanism: zap.Curve, Credentials: [][]byte{key[:]}})
}
