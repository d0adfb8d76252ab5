//go:build unix

package zmtp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// silent connects n times to an endpoint, and sends nothing.
func silent(t *testing.T, endpoint string, n int) (conns []net.Conn) {
	t.Helper()
	for range n {
		nc, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
		ztest.Must(t, err)
		t.Cleanup(func() { nc.Close() })
		conns = append(conns, nc)
	}
	return conns
}

// wantEnded waits until the other side has closed these connections.
func wantEnded(t *testing.T, conns []net.Conn) {
	t.Helper()
	for i, nc := range conns {
		ztest.Must(t, nc.SetReadDeadline(time.Now().Add(ztest.Patience)))
		if _, err := io.Copy(io.Discard, nc); os.IsTimeout(err) {
			t.Fatalf("silent connection %d is still there", i)
		}
	}
}

// affordable returns n, or as many as there are file descriptors for beside reserved ones. It
// skips a test for which fewer than least are left.
func affordable(t testing.TB, n, reserved, least int) int {
	t.Helper()
	var limit unix.Rlimit
	ztest.Must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	most := int(min(limit.Cur, 1<<20)) - reserved
	if most >= n {
		return n
	}
	if most < least {
		t.Skipf("needs more than %d file descriptors", limit.Cur)
	}
	t.Logf("%d connections instead of %d, for want of file descriptors", most, n)
	return most
}

// TestSilentCrowd checks that clients of a Listener are admitted at once, however many
// connections are silent, and for however long they may be.
func TestSilentCrowd(t *testing.T) {
	t.Parallel()
	const places, honest = 1024, 20
	crowd := affordable(t, 3000, places+1000, places+1)
	client, server := configs(zap.Curve, "REQ", "REP")
	server.HandshakeTimeout = 24 * time.Hour // of which each may say nothing for a sixth
	var log ztest.Log
	server.Log = log.Logger()
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()

	conns := silent(t, ln.Endpoint(), crowd)
	var longest time.Duration
	for range honest {
		start := time.Now()
		c, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client)
		ztest.Must(t, err)
		defer c.Close()
		s, err := ln.Accept(ztest.Context(t))
		ztest.Must(t, err)
		defer s.Close()
		longest = max(longest, time.Since(start))
	}
	t.Logf("%d clients admitted, the slowest after %v", honest, longest)
	wantEnded(t, conns[:crowd-places])
	wantLogged(t, &log, "handshake failed", "dropped for a newer connection")
	if n := strings.Count(log.String(), "\n"); n > 3 {
		t.Errorf("%d log lines for %d connections from one address", n, crowd)
	}
}

func init() {
	if os.Getenv("ZMTP_TEST_FEW") != "" {
		listenWithFew()
	}
}

// listenWithFew runs in the process with few file descriptors of TestFewDescriptors.
func listenWithFew() {
	go ztest.EndWithStdin()
	ctx := context.Background()
	keys := curve.GenerateKey()
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 150, Max: 150})
	if err != nil {
		panic(err)
	}
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{SocketType: "REP", Mechanism: zap.Curve, Key: keys, Handler: allow,
		HandshakeTimeout: 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	fmt.Println(ln.Endpoint(), keys.Public())
	for {
		if _, err := ln.Accept(ctx); err != nil { // and keep it
			panic(err)
		}
	}
}

// TestFewDescriptors checks that when silent connections use up the file descriptors
// of a process, the oldest make room for clients.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	ztest.Must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "ZMTP_TEST_FEW=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	ztest.Must(t, err)
	stdout, err := cmd.StdoutPipe()
	ztest.Must(t, err, cmd.Start())
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	ztest.Must(t, err)
	endpoint, key, _ := strings.Cut(strings.TrimSpace(line), " ")
	client, _ := configs(zap.Curve, "REQ", "REP")
	client.ServerKey, err = curve.ParsePublicKey(key)
	ztest.Must(t, err)

	conns := silent(t, endpoint, 400)
	for range 20 {
		c, err := zmtp.Dial(ztest.Context(t), endpoint, client)
		ztest.Must(t, err)
		defer c.Close()
	}
	wantEnded(t, conns[:250])
}
