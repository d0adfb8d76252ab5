package endpoint

import (
	"net"
	"path/filepath"
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

// TestIsAt checks which endpoints a listener is at. A listener on all addresses is never at
// the endpoint of one of them, which may need no CURVE.
func TestIsAt(t *testing.T) {
	t.Parallel()
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	unix := func(path string) net.Addr { return &net.UnixAddr{Net: "unix", Name: path} }
	here, err := filepath.Abs("run/zauth")
	ztest.Must(t, err)
	for _, tt := range []struct {
		endpoint string
		addr     net.Addr
		is       bool
	}{
		{"tcp://127.0.0.1:9127", tcp("127.0.0.1", 9127), true},
		{"tcp://localhost:9127", tcp("127.0.0.1", 9127), true},
		{"tcp://localhost:9127", tcp("::1", 9127), true},
		{"tcp://[::1]:9127", tcp("::1", 9127), true},
		{"tcp://*:9127", tcp("::", 9127), true},
		{"tcp://*:9127", tcp("0.0.0.0", 9127), true},
		{"ipc:///run/zauth/socket", unix("/run/zauth/socket"), true},
		{"ipc://run/zauth", unix(here), true},
		{"ipc://@zauth", unix("@zauth"), true},

		{"tcp://127.0.0.1:9127", tcp("127.0.0.1", 9128), false},
		{"tcp://127.0.0.1:9127", tcp("0.0.0.0", 9127), false},
		{"tcp://127.0.0.1:9127", tcp("::", 9127), false},
		{"tcp://localhost:9127", tcp("192.0.2.1", 9127), false},
		{"tcp://localhost:9127", tcp("::", 9127), false},
		{"tcp://*:9127", tcp("127.0.0.1", 9127), false},
		{"tcp://127.0.0.1:*", tcp("127.0.0.1", 9127), false},
		{"tcp://127.0.0.1:0", tcp("127.0.0.1", 0), false},
		{"tcp://example.org:9127", tcp("127.0.0.1", 9127), false},
		{"tcp://[fe80::1]:9127", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 9127, Zone: "eth0"}, false},
		{"ipc:///run/zauth/socket", unix("/run/zauth/control"), false},
		{"ipc:///run/zauth/socket", unix(""), false},
		{"tcp://127.0.0.1:9127", unix("127.0.0.1:9127"), false},
		{"ipc:///run/zauth", tcp("127.0.0.1", 9127), false},
		{"nonsense", tcp("127.0.0.1", 9127), false},
	} {
		if got := IsAt(tt.endpoint, tt.addr); got != tt.is {
			t.Errorf("IsAt(%q, %v) = %v", tt.endpoint, tt.addr, got)
		}
	}
}
