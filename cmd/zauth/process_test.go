//go:build cgo && unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// zauth is a running process.
type zauth struct {
	cmd      *exec.Cmd
	endpoint string
	mu       sync.Mutex
	log      strings.Builder
	read     chan struct{} // closed when the log has ended
}

// startZauth runs zauth serve until the test ends.
func startZauth(t testing.TB, args ...string) *zauth {
	t.Helper()
	exe, err := os.Executable()
	ztest.Must(t, err)
	z := &zauth{cmd: exec.Command(exe, append([]string{"serve", "--log-format", "text"}, args...)...), read: make(chan struct{})}
	z.cmd.Env = append(os.Environ(), asZauth+"=1", "GORACE="+script.WithoutSleep)
	stderr, err := z.cmd.StderrPipe()
	ztest.Must(t, err)
	ztest.Must(t, z.cmd.Start())
	t.Cleanup(z.kill)
	listening := make(chan string, 1)
	go func() {
		defer close(z.read)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			z.mu.Lock()
			z.log.WriteString(lines.Text() + "\n")
			z.mu.Unlock()
			if endpoint, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				listening <- endpoint
			}
		}
	}()
	select {
	case z.endpoint = <-listening:
	case <-z.read:
		t.Fatalf("zauth ended:\n%s", z.said())
	case <-time.After(20 * time.Second):
		t.Fatalf("zauth doesn't listen:\n%s", z.said())
	}
	return z
}

// kill ends it as nobody can prepare for.
func (z *zauth) kill() {
	z.cmd.Process.Kill()
	<-z.read
	z.cmd.Wait()
}

func (z *zauth) said() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.log.String()
}

// waitFor waits until the log holds all of these in one line.
func (z *zauth) waitFor(t *testing.T, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
	lines:
		for line := range strings.Lines(z.said()) {
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue lines
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no line with %q in:\n%s", words, z.said())
		}
	}
}

// resident is how much memory it has, in octets.
func (z *zauth) resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", z.cmd.Process.Pid))
	if err != nil {
		t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			ztest.Must(t, err)
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// service is a libzmq REP socket that answers with the client's user id, and
// asks zauth about each client.
type service struct {
	endpoint string
	keys     curve.KeyPair
}

// startService runs a service until the test ends.
func startService(t *testing.T, link remote.ClientConfig) *service {
	t.Helper()
	zctx, err := zmq4.NewContext()
	ztest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	client, err := remote.NewClient(link)
	ztest.Must(t, err)
	authenticator, err := libzmq.Start(ctx, zctx, client, nil)
	ztest.Must(t, err)
	sock, err := zctx.NewSocket(zmq4.REP)
	ztest.Must(t, err)
	s := &service{keys: curve.GenerateKeyPair()}
	ztest.Must(t, sock.SetLinger(0))
	ztest.Must(t, sock.SetRcvtimeo(50*time.Millisecond))
	ztest.Must(t, sock.SetHandshakeIvl(2*time.Second))
	ztest.Must(t, libzmq.Server(sock, s.keys, "test"))
	ztest.Must(t, sock.Bind("tcp://127.0.0.1:*"))
	s.endpoint, err = sock.GetLastEndpoint()
	ztest.Must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, p, err := sock.RecvMessageWithMetadata(0, "User-Id"); err == nil {
				sock.SendMessage("hello " + p["User-Id"])
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		sock.Close()
		authenticator.Wait()
		client.Close()
		ztest.Must(t, zctx.Term())
	})
	return s
}

// ask asks the service once in pure Go.
func (s *service) ask(ctx context.Context, keys curve.KeyPair) (string, error) {
	conn, err := zmtp.Dial(ctx, s.endpoint, zmtp.Config{SocketType: "REQ", Mechanism: zap.MechanismCurve, Keys: keys, ServerKey: s.keys.Public})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.Send(ctx, nil, []byte("good morning")); err != nil {
		return "", err
	}
	reply, err := conn.Recv(ctx)
	if err != nil {
		return "", err
	}
	return string(reply[len(reply)-1]), nil
}

// askLibzmq asks the service with a libzmq socket, which tries by itself until
// it is let in or refused, or the time is over.
func (s *service) askLibzmq(keys curve.KeyPair, patience time.Duration) (string, error) {
	zctx, err := zmq4.NewContext()
	if err != nil {
		return "", err
	}
	defer zctx.Term()
	sock, err := zctx.NewSocket(zmq4.REQ)
	if err != nil {
		return "", err
	}
	defer sock.Close()
	for _, err := range []error{sock.SetLinger(0), sock.SetRcvtimeo(patience), libzmq.Client(sock, keys, s.keys.Public), sock.Connect(s.endpoint)} {
		if err != nil {
			return "", err
		}
	}
	if _, err := sock.SendMessage("good morning"); err != nil {
		return "", err
	}
	reply, err := sock.RecvMessage(0)
	return strings.Join(reply, ""), err
}

// keystoreOf makes a directory with the certificates of these names, and
// returns their keys.
func keystoreOf(t *testing.T, names ...string) (dir string, keys []curve.KeyPair) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		keys = append(keys, addTo(t, dir, name))
	}
	return dir, keys
}

// addTo puts a new certificate into a keystore.
func addTo(t *testing.T, dir, name string) curve.KeyPair {
	t.Helper()
	c := cert.Generate(cert.Property{Name: "name", Value: name})
	text, err := c.AppendPublic(nil)
	ztest.Must(t, err)
	ztest.Must(t, os.WriteFile(filepath.Join(dir, name+".key"), text, 0o644))
	return c.KeyPair()
}

// intruders lets a stranger knock without pause until the test ends. None may
// ever be let in.
func intruders(t *testing.T, s *service) {
	ctx, cancel := context.WithCancel(context.Background())
	var tried atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			keys := curve.GenerateKeyPair()
			for ctx.Err() == nil {
				attempt, done := context.WithTimeout(ctx, 500*time.Millisecond)
				if reply, err := s.ask(attempt, keys); err == nil {
					t.Errorf("a stranger was let in: %q", reply)
				}
				done()
				tried.Add(1)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if tried.Load() < 3 {
			t.Errorf("the strangers tried %d times only", tried.Load())
		}
	})
}
