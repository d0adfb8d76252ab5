//go:build linux

package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// tcpdump captures a port of loopback. It returns when it listens, and ok is false if this
// system has no tcpdump, or does not let it capture. Call wait when the capture has ended.
func tcpdump(t *testing.T, port int) (capture io.Reader, stop, wait func(), ok bool) {
	t.Helper()
	cmd := exec.CommandContext(ztest.Context(t), "tcpdump", "-i", "lo", "-B", "16384", "-U", "-w", "-", fmt.Sprintf("tcp port %d", port))
	capture, err := cmd.StdoutPipe()
	ztest.Must(t, err)
	messages, err := cmd.StderrPipe()
	ztest.Must(t, err)
	if err := cmd.Start(); err != nil {
		t.Log(err)
		return nil, nil, nil, false
	}
	wait = func() {
		io.Copy(io.Discard, messages)
		cmd.Wait()
	}
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		t.Log(lines.Text())
		if strings.Contains(lines.Text(), "listening on lo") {
			return capture, func() { cmd.Process.Signal(os.Interrupt) }, wait, true
		}
	}
	wait()
	return nil, nil, nil, false
}

// TestTcpdump: a connection that tcpdump captures is decoded while it is captured, and
// afterwards with the key log. Where tcpdump can't capture, TestDecode covers this.
func TestTcpdump(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	m := curveMechanism()
	var log ztest.Log
	router := zmq4.NewRouter(ctx, zmq4.WithLogger(nil), zmq4.WithSecurity(m.server), zmq4.WithInsecureKeyLog(&log))
	defer router.Close()
	ztest.Must(t, router.Listen("tcp://127.0.0.1:*"))
	live, stop, wait, ok := tcpdump(t, router.Addr().(*net.TCPAddr).Port)
	if !ok {
		return
	}
	ended, decoded := make(chan struct{}), make(chan error, 1)
	var whole bytes.Buffer
	go func() {
		_, err := Decode(io.TeeReader(live, &whole), Config{Emit: func(e *Event) error {
			if e.Kind == End {
				close(ended)
			}
			return nil
		}})
		decoded <- err
	}()
	dealer := zmq4.NewDealer(ctx, zmq4.WithLogger(nil), zmq4.WithSecurity(m.client))
	defer dealer.Close()
	ztest.Must(t, dealer.Dial("tcp://"+router.Addr().String()))
	exchange(t, dealer, router)
	ztest.Must(t, dealer.Close())
	ztest.Receive(t, "the end of the connection", ended)
	stop()
	ztest.Must(t, ztest.Receive(t, "the end of the capture", decoded))
	wait()

	keys, err := ParseKeyLog([]byte(log.String()))
	ztest.Must(t, err)
	lines, _, err := decode(t, whole.Bytes(), keys)
	ztest.Must(t, err)
	wantSession(t, lines, zap.Curve, "DEALER", "ROUTER")
}
