package endpoint

import (
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestEndpoints checks which endpoints are valid to listen on or to connect to, and which
// of them only this machine can reach.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	isInvalid := func(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "invalid endpoint ") }
	for _, bad := range []string{"", "tcp:", "tcp://", "tcp://localhost", "tcp://:", "tcp://localhost:", "ipc://", "ipc://*", "inproc://x", "udp://1.2.3.4:5", "127.0.0.1:5555",
		"tcp://localhost:abc", "tcp://localhost:http", "tcp://localhost:65536", "tcp://localhost:99999", "tcp://localhost:-1"} {
		for _, check := range []func(string) error{Check, CheckDial} {
			if err := check(bad); !isInvalid(err) {
				t.Errorf("%q: got %v", bad, err)
			}
		}
	}
	for _, listening := range []string{"tcp://*:5555", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://*:*"} {
		ztest.Must(t, Check(listening))
		if err := CheckDial(listening); !isInvalid(err) {
			t.Errorf("%q to connect to: got %v", listening, err)
		}
		if _, err := Dial(ztest.Context(t), listening); !isInvalid(err) {
			t.Errorf("connecting to %q: got %v", listening, err)
		}
	}
	for _, good := range []string{"tcp://localhost:1", "tcp://[::1]:65535", "tcp://example.org:5555", "ipc:///tmp/x", "ipc://@x"} {
		ztest.Must(t, Check(good), CheckDial(good))
	}
	for endpoint, local := range map[string]bool{
		"tcp://127.0.0.1:5555": true, "tcp://[::1]:5555": true, "tcp://localhost:1": true, "tcp://LocalHost:1": true, "ipc:///tmp/x": true, "ipc://@x": true,
		"tcp://*:5555": false, "tcp://0.0.0.0:1": false, "tcp://192.0.2.1:5555": false, "tcp://example.org:5555": false, "nonsense": false,
	} {
		if got := IsLocal(endpoint); got != local {
			t.Errorf("IsLocal(%q) = %v", endpoint, got)
		}
	}
}
