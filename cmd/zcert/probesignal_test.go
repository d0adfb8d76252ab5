//go:build cgo && unix

package main

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/peertest"
)

// TestScanWithoutFiles: a scan that could not open a connection to each port does not pass.
func TestScanWithoutFiles(t *testing.T) {
	t.Parallel()
	at := strings.TrimPrefix(peertest.Talker(func(nc net.Conn) { io.Copy(io.Discard, nc) })(t), "tcp://")
	host, port, err := net.SplitHostPort(at)
	ztest.Must(t, err)
	ports := strings.Join(slices.Repeat([]string{port}, 60), ",")
	cmd := exec.CommandContext(ztest.Context(t), "sh", "-c", "ulimit -n 30 && exec "+ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0")+" scan --quiet --timeout 3s "+host+":"+ports)
	output, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(output), " ports were not tried: ") {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestSignalWhileConnected: the first signal ends probe and scan while a peer is silent.
func TestSignalWhileConnected(t *testing.T) {
	t.Parallel()
	zcert := ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0")
	for _, command := range []string{"probe ENDPOINT --timeout 1h", "probe ENDPOINT --timeout 1h --json", "scan ENDPOINT --timeout 1h"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			connected := make(chan struct{}, 2)
			at := peertest.Talker(func(nc net.Conn) {
				connected <- struct{}{}
				io.Copy(io.Discard, nc)
			})(t)
			cmd := exec.CommandContext(ztest.Context(t), zcert, strings.Fields(strings.Replace(command, "ENDPOINT", at, 1))...)
			ztest.Must(t, cmd.Start())
			ztest.Receive(t, "a connection", connected)
			ztest.Must(t, cmd.Process.Signal(syscall.SIGTERM))
			err := cmd.Wait()
			if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 143 {
				t.Errorf("got %v, want exit code 143", err)
			}
		})
	}
}
