package probe_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	libzmq "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestScan finds what speaks ZMTP among all kinds of peers.
func TestScan(t *testing.T) {
	t.Parallel()
	want := map[string]probe.Found{}
	var addresses []string
	for _, peer := range []struct {
		listen func(*testing.T) string
		found  probe.Found // zero for nothing
	}{
		{ours("REP", zap.Curve, replies(200)), probe.Found{Version: "3.1", Mechanism: zap.Curve, AsServer: true}},
		{ours("ROUTER", zap.Null, replies(200)), probe.Found{Version: "3.1", Mechanism: zap.Null, SocketType: "ROUTER"}},
		{theirs(libzmq.REP, zap.Curve, nil), probe.Found{Version: "3.1", Mechanism: zap.Curve}},
		{theirs(libzmq.SUB, zap.Plain, nil), probe.Found{Version: "3.1", Mechanism: zap.Plain}},
		{theirs(libzmq.PUSH, zap.Null, nil), probe.Found{Version: "3.1", Mechanism: zap.Null, SocketType: "PUSH"}},
		{stranger(greeting(1, 1, "")[:12], true), probe.Found{Version: "1.1"}},
		{stranger(greeting(3, 0, "CURVE"), false), probe.Found{Version: "3.0", Mechanism: zap.Curve}},
		{stranger(greeting(3, 1, "CURVE")[:40], true), probe.Found{}},
		{stranger("", true), probe.Found{}},
		{stranger("", false), probe.Found{}},
		{stranger("SSH-2.0-OpenSSH_9.2p1\r\n", true), probe.Found{}},
		{func(*testing.T) string { return "tcp://127.0.0.1:1" }, probe.Found{}},
	} {
		address := strings.TrimPrefix(peer.listen(t), "tcp://")
		addresses = append(addresses, address)
		if peer.found != (probe.Found{}) {
			peer.found.Address = address
			want[address] = peer.found
		}
	}
	var done atomic.Int64
	cfg := probe.ScanConfig{Jobs: 5, Rate: 1_000_000, Timeout: 5 * time.Second, Done: func() { done.Add(1) }}
	got := map[string]probe.Found{}
	probe.Scan(ztest.Context(t), slices.Values(addresses), cfg, func(f probe.Found) { got[f.Address] = f })
	if int(done.Load()) != len(addresses) || len(got) != len(want) {
		t.Errorf("found %d endpoints at %d addresses, want %d at %d", len(got), done.Load(), len(want), len(addresses))
	}
	for address, f := range want {
		if got[address] != f {
			t.Errorf("found %+v, want %+v", got[address], f)
		}
	}
}

// TestScanEnds ends a scan while peers are silent.
func TestScanEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	defer cancel()
	address := strings.TrimPrefix(stranger("", false)(t), "tcp://")
	endless := func(yield func(string) bool) {
		for n := 0; yield(address); n++ {
			if n == 100 {
				cancel()
			}
		}
	}
	probe.Scan(ctx, endless, probe.ScanConfig{Jobs: 200, Timeout: time.Hour, Done: func() {}}, func(f probe.Found) { t.Errorf("found %+v", f) })
}
