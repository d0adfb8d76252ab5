//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/internal/ztest/script"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// startUnread runs zauth serve with a pipe as stderr, of which only the line
// "listening on" is read.
func startUnread(t *testing.T, dir string) (cmd *exec.Cmd, endpoint string, stderr *os.File, rest *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	ztest.Must(t, err)
	cmd = exec.Command(exe, "serve", "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir, "--log-format", "text")
	cmd.Env = append(os.Environ(), asZauth+"=1", "GORACE="+script.WithoutSleep)
	stdin, err := cmd.StdinPipe()
	ztest.Must(t, err)
	stderr, w, err := os.Pipe()
	ztest.Must(t, err)
	cmd.Stderr = w
	ztest.Must(t, cmd.Start(), w.Close())
	t.Cleanup(func() {
		cmd.Process.Kill()
		stdin.Close()
		stderr.Close()
	})
	rest = bufio.NewReader(stderr)
	for endpoint == "" {
		line, err := rest.ReadString('\n')
		ztest.Must(t, err)
		if after, ok := strings.CutPrefix(line, "listening on "); ok {
			endpoint = strings.TrimSpace(after)
		}
	}
	return cmd, endpoint, stderr, rest
}

// ended waits until the process exits with code 0.
func ended(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	ztest.Must(t, ztest.Receive(t, "zauth ends", done))
}

// TestNobodyReadsLog: zauth keeps deciding after the reader of its log has exited.
func TestNobodyReadsLog(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	cmd, endpoint, stderr, _ := startUnread(t, dir)
	ztest.Must(t, stderr.Close())
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	for n := range 20 {
		if reply := client.Handle(ztest.Context(t), byKey(fmt.Sprintf("192.0.2.%d", n), keys[0].Public())); reply.Status != zap.StatusOK {
			t.Fatalf("%+v", reply)
		}
	}
	ztest.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	ended(t, cmd)
}

// TestLogReaderStalls: zauth keeps deciding while the reader of its log does not read,
// and logs afterwards how many lines it dropped.
func TestLogReaderStalls(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	cmd, endpoint, _, rest := startUnread(t, dir)
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	// Some 1.8 MB of log: more than the pipe and the queue hold.
	const refusals = 8000
	ctx := ztest.Context(t)
	var asking sync.WaitGroup
	for worker := range 16 {
		asking.Go(func() {
			for n := worker; n < refusals; n += 16 {
				if reply := client.Handle(ctx, byKey(fmt.Sprintf("192.0.%d.%d", n/256, n%256), curve.PublicKey{byte(n), byte(n >> 8), 1})); reply.Status != zap.StatusRefused {
					t.Errorf("%+v", reply)
				}
			}
		})
	}
	asking.Wait()
	refused, dropped := 0, 0
	for dropped == 0 {
		line, err := rest.ReadString('\n')
		ztest.Must(t, err)
		if strings.Contains(line, `msg="client refused"`) {
			refused++
		}
		if _, count, ok := strings.Cut(line, `msg="log lines dropped: nothing read stderr" count=`); ok {
			_, err := fmt.Sscan(count, &dropped)
			ztest.Must(t, err)
		}
	}
	if refused+dropped != refusals {
		t.Errorf("%d refusals in the log and %d dropped are not %d", refused, dropped, refusals)
	}
	ztest.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	go io.Copy(io.Discard, rest)
	ended(t, cmd)
}

// judged is a Writer. Each Write waits for a verdict, which says whether to fail.
type judged struct {
	bytes.Buffer
	verdicts chan error
}

func (j *judged) Write(p []byte) (int, error) {
	if err := <-j.verdicts; err != nil {
		return 0, err
	}
	return j.Buffer.Write(p)
}

// TestLineQueue: no Write blocks. Lines that are dropped or fail are counted, and the
// count is written when there is a reader again.
func TestLineQueue(t *testing.T) {
	t.Parallel()
	out := &judged{verdicts: make(chan error)}
	q := newLineQueue(out, func(dropped int) []byte { return fmt.Appendf(nil, "%d dropped\n", dropped) })
	for n := range 6 { // there is room for four, until one is written
		q.Write(append(bytes.Repeat([]byte{byte('1' + n)}, maxQueued/4-1), '\n'))
	}
	go func() {
		broken := errors.New("broken pipe")
		for _, verdict := range []error{broken, broken, broken, nil} {
			out.verdicts <- verdict
		}
		close(out.verdicts) // everything that follows is written
	}()
	ztest.Wait(t, "four lines are judged", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.size == 0
	})
	q.close()
	q.Write([]byte("too late\n"))
	if want := strings.Repeat("4", maxQueued/4-1) + "\n5 dropped\n"; out.String() != want {
		t.Errorf("%d bytes, which end with %q", out.Len(), out.Bytes()[max(0, out.Len()-100):])
	}
}
