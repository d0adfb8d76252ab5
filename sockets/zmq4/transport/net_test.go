package transport_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

// counting is a dialer that counts its calls.
type counting struct {
	net.Dialer
	calls int
}

func (d *counting) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.calls++
	return d.Dialer.DialContext(ctx, network, address)
}

// TestNetworks listens and dials with each network, with the caller's dialer.
func TestNetworks(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	for network, at := range map[string]string{"tcp": "*:*", "unix": filepath.Join(t.TempDir(), "s")} {
		tr := transport.New(network)
		addr, err := tr.Addr(at)
		ztest.Must(t, err)
		nl, err := tr.Listen(ctx, addr)
		ztest.Must(t, err)
		defer nl.Close()
		dialer := new(counting)
		if _, port, err := net.SplitHostPort(nl.Addr().String()); err == nil {
			addr, err = tr.Addr(":" + port)
			ztest.Must(t, err)
		}
		nc, err := tr.Dial(ctx, dialer, addr)
		ztest.Must(t, err)
		nc.Close()
		if dialer.calls == 0 || nl.Addr().Network() != network {
			t.Errorf("%s: the dialer was called %d times", network, dialer.calls)
		}
	}
}

func TestAddr(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"*:*": ":0", "*:5555": ":5555", ":5555": ":5555", "127.0.0.1:": "127.0.0.1:0", "[::1]:5555": "[::1]:5555", "localhost:0": "localhost:0",
		"": "", "5555": "", "a:b": "", "::1:5": "", "host:65536": "",
	} {
		got, err := transport.New("tcp").Addr(at)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: got %q, %v, want %q", at, got, err, want)
		}
	}
	if got, err := transport.New("unix").Addr("@x"); got != "@x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNoStream returns an error for networks that ZMTP can't use.
func TestNoStream(t *testing.T) {
	t.Parallel()
	for network, why := range map[string]string{"udp": "ZMTP needs a stream", "carrier pigeon": "unknown network"} {
		tr := transport.New(network)
		_, addr := tr.Addr("127.0.0.1:0")
		_, dial := tr.Dial(ztest.Context(t), new(net.Dialer), "127.0.0.1:1")
		_, listen := tr.Listen(ztest.Context(t), "127.0.0.1:0")
		for _, err := range []error{addr, dial, listen} {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %v", network, err)
			}
		}
	}
}
