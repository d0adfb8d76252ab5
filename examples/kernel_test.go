//go:build unix

package examples_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// connectionFile writes a connection file as Jupyter does, and returns its path. key is the
// kernel's, or zero for NULL.
func connectionFile(t *testing.T, transport string, key curve.SecretKey) string {
	t.Helper()
	dir := t.TempDir()
	file := map[string]any{"transport": transport, "ip": "127.0.0.1", "key": "a0436f6c-1916", "signature_scheme": "hmac-sha256", "kernel_name": "echo"}
	if transport == "ipc" {
		file["ip"] = filepath.Join(dir, "kernel")
	}
	for i, name := range []string{"shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"} {
		file[name] = i + 1
		if transport == "tcp" {
			_, port, err := net.SplitHostPort(ztest.ReservePort(t))
			ztest.Must(t, err)
			file[name], err = strconv.Atoi(port)
			ztest.Must(t, err)
		}
	}
	if !key.IsZero() {
		file["curve_publickey"], file["curve_secretkey"] = key.Public().String(), string(key.AppendZ85(nil))
	}
	text, err := json.Marshal(file)
	path := filepath.Join(dir, "kernel.json")
	ztest.Must(t, err, os.WriteFile(path, text, 0o600))
	return path
}

// TestKernel drives a kernel as Jupyter does, with and without CURVE.
func TestKernel(t *testing.T) {
	t.Parallel()
	python := ztest.Python(t)
	program := ztest.GoProgram(t, "examples/go/kernel", "CGO_ENABLED=0")
	for _, transport := range []string{"tcp", "ipc"} {
		for name, key := range map[string]curve.SecretKey{"NULL": {}, "CURVE": curve.GenerateKey()} {
			t.Run(transport+", "+name, func(t *testing.T) {
				t.Parallel()
				file := connectionFile(t, transport, key)
				kernel := run(t, program, file)
				out, err := output(t, python, "testdata/jupyter_front_end.py", file)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				want := "output ok 1 first\noutput ok 2 second\noutput ok 3 third\nbeating True\noutput ok 4 fourth\nshut down\n"
				if diff := cmp.Diff(want, out); diff != "" {
					t.Errorf("front end (-want +got):\n%s", diff)
				}
				ztest.Receive(t, "the end of the kernel", kernel.ended)
				if diff := cmp.Diff("message ignored: signature is invalid\n", kernel.log.String()); diff != "" {
					t.Errorf("kernel (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestKernelStarted lets Jupyter start, interrupt, restart and stop a kernel.
func TestKernelStarted(t *testing.T) {
	t.Parallel()
	out, err := output(t, ztest.Python(t), "testdata/jupyter_front_end.py", filepath.Join(t.TempDir(), "kernel.json"),
		ztest.GoProgram(t, "examples/go/kernel", "CGO_ENABLED=0"))
	want := "output ok 1 first\noutput ok 2 second\noutput ok 1 after a restart\nalive False\n"
	if diff := cmp.Diff(want, out); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestKernelRefuses connects to a kernel with CURVE without what its connection file says.
func TestKernelRefuses(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey()
	file := connectionFile(t, "ipc", key)
	run(t, ztest.GoProgram(t, "examples/go/kernel", "CGO_ENABLED=0"), file)
	for port := 1; port <= 5; port++ {
		endpoint := fmt.Sprintf("ipc://%s-%d", filepath.Join(filepath.Dir(file), "kernel"), port)
		of := zmq4.NewDealer
		switch port {
		case 2:
			of = zmq4.NewSub
		case 5:
			of = zmq4.NewReq
		}
		for name, security := range map[string]zmq4.Security{
			"right":     zmq4.CurveClient(curve.GenerateKey(), key.Public()),
			"wrong key": zmq4.CurveClient(curve.GenerateKey(), curve.GenerateKey().Public()),
			"NULL":      nil,
		} {
			s := of(ztest.Context(t), zmq4.WithSecurity(security), zmq4.WithDialerMaxRetries(-1), zmq4.WithLogger(nil))
			if err := s.Dial(endpoint); (err == nil) != (name == "right") {
				t.Errorf("%s: %s: %v", endpoint, name, err)
			}
			s.Close()
		}
	}
}

// TestKernelFiles starts a kernel with connection files that it refuses.
func TestKernelFiles(t *testing.T) {
	t.Parallel()
	program := ztest.GoProgram(t, "examples/go/kernel", "CGO_ENABLED=0")
	for want, change := range map[string]struct {
		old, new string
		mode     os.FileMode
	}{
		"other users can read this file (mode 0640)": {"", "", 0o640},
		"other users can read this file (mode 0604)": {"", "", 0o604},
		"curve_publickey does not belong":            {`"curve_publickey":"`, `"curve_publickey":"x`, 0o600},
		"curve_secretkey: ":                          {`"curve_secretkey":`, `"-":`, 0o600},
		"no key for hmac-sha256":                     {`"key":`, `"-":`, 0o600},
	} {
		path := connectionFile(t, "ipc", curve.GenerateKey())
		text, err := os.ReadFile(path)
		ztest.Must(t, err)
		changed := strings.Replace(string(text), change.old, change.new, 1)
		ztest.Must(t, os.WriteFile(path, []byte(changed), 0o600), os.Chmod(path, change.mode))
		if out, err := output(t, program, path); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %s, want %s", err, out, want)
		}
	}
}
