//go:build unix

package zmtp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

func init() {
	if endpoint := os.Getenv("ZMTP_TEST_CLIENTS"); endpoint != "" {
		if err := runClients(endpoint, os.Getenv("ZMTP_TEST_SERVER")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// runClients runs in the process of the clients. It connects with each secret key that it
// reads, says "ready", and sends back what begins with "?". It tells of each connection
// that ends: number, status, and the times of the last message and of the end.
func runClients(endpoint, serverKey string) error {
	server, err := curve.ParsePublicKey(serverKey)
	if err != nil {
		return err
	}
	var keys []curve.SecretKey
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "" {
		key, err := curve.ParseSecretKey(lines.Text())
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	go ztest.EndWithStdin()
	var out sync.Mutex
	var dialing sync.WaitGroup
	places := make(chan struct{}, 32)
	for i, key := range keys {
		places <- struct{}{}
		dialing.Go(func() {
			defer func() { <-places }()
			c, err := zmtp.Dial(context.Background(), endpoint, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Curve,
				Key: key, ServerKey: server, HandshakeTimeout: ztest.Patience})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			go func() {
				last, err := echo(c)
				end := time.Now()
				var status zap.Status
				if refused, ok := errors.AsType[*zmtp.RefusedError](err); ok {
					status = refused.Reply.Status
				}
				out.Lock()
				defer out.Unlock()
				fmt.Println(i, status, last.UnixNano(), end.UnixNano())
			}()
		})
	}
	dialing.Wait()
	fmt.Println("ready")
	select {}
}

// echo returns when the last message arrived before the connection ended, and why it did.
func echo(c *zmtp.Conn) (last time.Time, err error) {
	ctx := context.Background()
	for {
		message, err := c.Recv(ctx)
		if err != nil {
			return last, err
		}
		last = time.Now()
		if message[0][0] == '?' {
			if err := c.Send(ctx, message...); err != nil {
				return last, err
			}
		}
	}
}

// crowd is a server under a policy with a keystore in a directory, and many clients in
// another process.
type crowd struct {
	testing.TB
	zcert   string
	clients string // the keystore
	keys    []curve.PublicKey
	numbers map[curve.PublicKey]int
	ends    *bufio.Reader // what the clients tell

	mu    sync.Mutex
	conns []*zmtp.Conn
	ended map[int]error // why the server's ends have ended
	heard map[int]bool  // the clients that have sent back a message
}

// newCrowd connects n clients. decides returns the handler.
func newCrowd(t testing.TB, n int, decides func(cr *crowd, dir string) zap.Handler) *crowd {
	t.Helper()
	n = affordable(t, n, 500, 100)
	dir := t.TempDir()
	cr := &crowd{TB: t, zcert: ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0"), clients: filepath.Join(dir, "clients"),
		numbers: map[curve.PublicKey]int{}, conns: make([]*zmtp.Conn, n), ended: map[int]error{}, heard: map[int]bool{}}
	var secrets strings.Builder
	ztest.Must(t, os.Mkdir(cr.clients, 0o755))
	for i := range n {
		c := cert.Generate(nameOf(i))
		text, err := c.AppendPublic(nil)
		ztest.Must(t, err, os.WriteFile(filepath.Join(cr.clients, nameOf(i)+".key"), text, 0o644))
		cr.keys = append(cr.keys, c.Public)
		cr.numbers[c.Public] = i
		fmt.Fprintf(&secrets, "%s\n", c.Secret.AppendZ85(nil))
	}
	// The directory of revocations is there after the first.
	stranger := cert.Generate("stranger")
	ztest.Must(t, stranger.Save(filepath.Join(dir, "stranger.key")))
	cr.run("store", "add", "dir:"+cr.clients, filepath.Join(dir, "stranger.key"))
	cr.run("store", "revoke", "dir:"+cr.clients, "stranger")

	handler := decides(cr, dir)
	server := curve.GenerateKey()
	ln, err := zmtp.Listen(ztest.Context(t), "ipc://"+filepath.Join(dir, "s"), zmtp.Config{SocketType: "DEALER", Mechanism: zap.Curve,
		Key: server, Handler: handler, HandshakeTimeout: ztest.Patience})
	ztest.Must(t, err)
	t.Cleanup(func() { ln.Close() })

	exe, err := os.Executable()
	ztest.Must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "ZMTP_TEST_CLIENTS="+ln.Endpoint(), "ZMTP_TEST_SERVER="+server.Public().String())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	ztest.Must(t, err)
	stdout, err := cmd.StdoutPipe()
	ztest.Must(t, err, cmd.Start())
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	cr.ends = bufio.NewReader(stdout)
	_, err = io.WriteString(stdin, secrets.String()+"\n")
	ztest.Must(t, err)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		for _, c := range cr.conns {
			serving.Go(func() { c.CloseNow() })
		}
		serving.Wait()
	})
	for range n {
		c, err := ln.Accept(t.Context())
		ztest.Must(t, err)
		i := cr.numbers[c.User().Key]
		cr.conns[i] = c
		serving.Go(func() { cr.serve(i, c) })
	}
	if line, err := cr.ends.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the clients say %q, %v", line, err)
	}
	return cr
}

// byPolicy returns a policy that admits the clients.
func byPolicy(cr *crowd, dir string) zap.Handler {
	cr.Helper()
	file := filepath.Join(dir, "policy.zpl")
	ztest.WriteFile(cr, file, "security\n    curve = 1\n        any = 1\n        keystore = dir:clients\n")
	p, err := policy.Load(file, policy.Options{})
	ztest.Must(cr, err)
	cr.Cleanup(func() { p.Close() })
	ztest.Background(cr, p.Watch)
	return p
}

// byZauth runs zauth, which admits the clients, and returns a handler that asks it.
func byZauth(cr *crowd, dir string) zap.Handler {
	cr.Helper()
	at := "ipc://" + filepath.Join(dir, "z")
	cmd := exec.Command(ztest.GoProgram(cr, "cmd/zauth", "CGO_ENABLED=0"), "serve", "--listen", at, "--keystore", "dir:"+cr.clients, "--log-level", "error")
	ztest.Must(cr, cmd.Start())
	cr.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	handler, err := remote.NewHandler(remote.Options{Wait: ztest.Patience}, at)
	ztest.Must(cr, err)
	cr.Cleanup(func() { handler.Close() })
	return handler
}

func nameOf(i int) string { return fmt.Sprintf("client-%05d", i) }

// run runs zcert.
func (cr *crowd) run(args ...string) {
	cr.Helper()
	if out, err := exec.Command(cr.zcert, args...).CombinedOutput(); err != nil {
		cr.Fatalf("zcert %q: %v\n%s", args, err, out)
	}
}

// serve receives from a client until the connection ends.
func (cr *crowd) serve(i int, c *zmtp.Conn) {
	for {
		_, err := c.Recv(context.Background())
		cr.mu.Lock()
		if err != nil {
			cr.ended[i] = err
			cr.mu.Unlock()
			return
		}
		cr.heard[i] = true
		cr.mu.Unlock()
	}
}

// cut is how long it took to cut a client off.
type cut struct{ command, sinceStart, sinceExit time.Duration }

// revoke revokes the key of a client while it is sent messages, and returns when the last
// arrived.
func (cr *crowd) revoke(i int) cut {
	cr.Helper()
	sent := make(chan error)
	begun := make(chan struct{})
	go func() {
		begin := sync.OnceFunc(func() { close(begun) })
		for {
			if err := cr.conns[i].Send(context.Background(), []byte("frame")); err != nil {
				sent <- err
				return
			}
			begin()
			time.Sleep(100 * time.Microsecond)
		}
	}()
	ztest.Receive(cr, "the first message is sent", begun)
	start := time.Now()
	cr.run("store", "revoke", "dir:"+cr.clients, nameOf(i))
	exit := time.Now()
	line, err := cr.ends.ReadString('\n')
	ztest.Must(cr, err)
	var number int
	var status zap.Status
	var last, end int64
	if _, err := fmt.Sscan(line, &number, &status, &last, &end); err != nil || number != i || status != zap.StatusRefused {
		cr.Fatalf("client %d was revoked, and a client says %q, %v", i, line, err)
	}
	if err := ztest.Receive(cr, "Send fails", sent); !errors.As(err, new(*zmtp.RefusedError)) {
		cr.Errorf("Send: %v", err)
	}
	return cut{exit.Sub(start), time.Unix(0, last).Sub(start), time.Unix(0, last).Sub(exit)}
}

// wantOthers checks that all clients but the first n are there.
func (cr *crowd) wantOthers(n int) {
	cr.Helper()
	cr.mu.Lock()
	clear(cr.heard)
	cr.mu.Unlock()
	for _, c := range cr.conns[n:] {
		ztest.Must(cr, c.Send(cr.Context(), []byte("?")))
	}
	ztest.Wait(cr, "all others answer", func() bool {
		cr.mu.Lock()
		defer cr.mu.Unlock()
		return len(cr.heard) >= len(cr.conns)-n
	})
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if len(cr.ended) != n {
		cr.Errorf("%d connections ended, want %d: %v", len(cr.ended), n, slices.Sorted(maps.Keys(cr.ended)))
	}
}

// forbid changes the policy so that it admits nobody, and waits until all others, of which
// there are n, have learned why they had to leave.
func (cr *crowd) forbid(n int) {
	cr.Helper()
	const rules = "security\n    curve = 1\n        keystore = dir:clients\n        group = nobody\n"
	ztest.WriteFile(cr, filepath.Join(filepath.Dir(cr.clients), "policy.zpl"), rules)
	start := time.Now()
	for range n {
		line, err := cr.ends.ReadString('\n')
		ztest.Must(cr, err)
		if fields := strings.Fields(line); len(fields) != 4 || fields[1] != fmt.Sprint(int(zap.StatusRefused)) {
			cr.Fatalf("a client says %q", line)
		}
	}
	cr.Logf("all %d others were gone after %v", n, time.Since(start).Round(time.Millisecond))
}

// TestRemovedAmongManyUnraced revokes keys one after the other, in another process, among
// 10,000 connections: each loses its connection and learns why, and nobody else does, until
// the policy admits nobody.
func TestRemovedAmongManyUnraced(t *testing.T) {
	ztest.Unraced(t)
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	// Not parallel: it takes the file descriptors that others need.
	const revoked = 30
	cr := newCrowd(t, 10_000, byPolicy)
	for i := range revoked {
		cr.revoke(i)
	}
	cr.wantOthers(revoked)
	cr.forbid(len(cr.conns) - revoked)
}

// BenchmarkRemoved measures the time from zcert's revocation of a key to the last message
// that its owner receives, among 10,000 connections: if the server has a policy, and if it
// asks zauth.
func BenchmarkRemoved(b *testing.B) {
	b.Run("policy", func(b *testing.B) { removeEach(b, byPolicy) })
	b.Run("zauth", func(b *testing.B) { removeEach(b, byZauth) })
}

func removeEach(b *testing.B, decides func(cr *crowd, dir string) zap.Handler) {
	cr := newCrowd(b, 10_000, decides)
	var cuts []cut
	for i := 0; b.Loop(); i++ {
		cuts = append(cuts, cr.revoke(i))
	}
	for name, of := range map[string]func(c cut) time.Duration{
		"zcert":      func(c cut) time.Duration { return c.command },
		"from-start": func(c cut) time.Duration { return c.sinceStart },
		"from-exit":  func(c cut) time.Duration { return c.sinceExit },
	} {
		var all []time.Duration
		for _, c := range cuts {
			all = append(all, of(c))
		}
		slices.Sort(all)
		for _, percent := range []int{50, 99} {
			b.ReportMetric(float64(all[(len(all)-1)*percent/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", name, percent))
		}
	}
	cr.wantOthers(len(cuts))
}
