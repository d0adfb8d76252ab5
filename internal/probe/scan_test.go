//go:build cgo

package probe_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	libzmq "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/peertest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// addressOf returns the address of a peer.
func addressOf(t *testing.T, listen peertest.Listen) netip.AddrPort {
	t.Helper()
	return netip.MustParseAddrPort(strings.TrimPrefix(listen(t), "tcp://"))
}

// TestScan finds what speaks ZMTP among all kinds of peers.
func TestScan(t *testing.T) {
	t.Parallel()
	want := map[netip.AddrPort]probe.Found{}
	var addresses []netip.AddrPort
	ready := "\x04\x25\x05READY\x0bSocket-Type\x00\x00\x00"
	for _, peer := range []struct {
		listen peertest.Listen
		found  probe.Found // zero for nothing
	}{
		{peertest.Ours("tcp", zmtp.Config{SocketType: "REP", Mechanism: zap.Curve, Handler: peertest.Replies(200)}), probe.Found{Version: "3.1", Mechanism: zap.Curve, AsServer: true}},
		{peertest.Ours("tcp", zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null}), probe.Found{Version: "3.1", Mechanism: zap.Null, SocketType: "ROUTER"}},
		{peertest.Theirs("tcp", libzmq.REP, zap.Curve, nil), probe.Found{Version: "3.1", Mechanism: zap.Curve}},
		{peertest.Theirs("tcp", libzmq.SUB, zap.Plain, nil), probe.Found{Version: "3.1", Mechanism: zap.Plain}},
		{peertest.Theirs("tcp", libzmq.PUSH, zap.Null, nil), probe.Found{Version: "3.1", Mechanism: zap.Null, SocketType: "PUSH"}},
		{peertest.Stranger(peertest.Greeting(1, 8, "")[:12], true), probe.Found{Version: "2.0", SocketType: "PUSH"}},
		{peertest.Stranger(peertest.Greeting(3, 0, "CURVE"), false), probe.Found{Version: "3.0", Mechanism: zap.Curve}},
		{peertest.Stranger(peertest.Greeting(3, 1, "NULL")+ready+"\x0f"+"SOMETHING-LONG!", true), probe.Found{Version: "3.1", Mechanism: zap.Null, SocketType: "SOMETHING-LONG!"}},
		{peertest.Stranger(peertest.Greeting(3, 1, "NULL")+"\x04\x01x", true), probe.Found{Version: "3.1", Mechanism: zap.Null}},
		{peertest.Stranger(peertest.Greeting(3, 1, "CURVE")[:40], true), probe.Found{}},
		{peertest.Stranger("", true), probe.Found{}},
		{peertest.Stranger("", false), probe.Found{}},
		{peertest.Stranger("SSH-2.0-OpenSSH_9.2p1\r\n", true), probe.Found{}},
		{peertest.Nowhere("tcp://127.0.0.1:1"), probe.Found{}},
	} {
		address := addressOf(t, peer.listen)
		addresses = append(addresses, address)
		if peer.found != (probe.Found{}) {
			peer.found.Address = address
			want[address] = peer.found
		}
	}
	var done atomic.Int64
	cfg := probe.ScanConfig{Jobs: 5, Timeout: 5 * time.Second, Done: func() { done.Add(1) }}
	got := map[netip.AddrPort]probe.Found{}
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

// endless returns an address again and again, until cancel has been called.
func endless(address netip.AddrPort, cancel func()) func(func(netip.AddrPort) bool) {
	return func(yield func(netip.AddrPort) bool) {
		for n := 0; yield(address); n++ {
			if n == 100 {
				cancel()
			}
		}
	}
}

// TestScanEnds ends a scan while peers are silent.
func TestScanEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	defer cancel()
	address := addressOf(t, peertest.Stranger("", false))
	cfg := probe.ScanConfig{Jobs: 200, Timeout: time.Hour, Done: func() {}}
	probe.Scan(ctx, endless(address, cancel), cfg, func(f probe.Found) { t.Errorf("found %+v", f) })
}

// TestScanTarpits scans peers that send one byte after the other, and never a whole greeting.
func TestScanTarpits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	var addresses []netip.AddrPort
	for _, listen := range []peertest.Listen{drip("", "\xff"+long), drip(peertest.Greeting(3, 1, "NULL"), "\x06"+long)} {
		addresses = append(addresses, slices.Repeat([]netip.AddrPort{addressOf(t, listen)}, 10)...)
	}
	found := 0
	probe.Scan(ztest.Context(t), slices.Values(addresses), probe.ScanConfig{Jobs: 20, Timeout: 5 * time.Second, Done: func() {}}, func(f probe.Found) { found++ })
	if found != 10 {
		t.Errorf("found %d, want the 10 that sent a greeting", found)
	}
}

// TestScanRate checks that the rate bounds what goes beyond this machine.
func TestScanRate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	var n atomic.Int64
	far := netip.MustParseAddrPort("192.0.2.1:1") // for documentation: nobody has it
	addresses := func(yield func(netip.AddrPort) bool) {
		for ; yield(far); n.Add(1) {
			if n.Load() == 0 { // the next one waits for a second
				time.AfterFunc(100*time.Millisecond, cancel)
			}
		}
	}
	probe.Scan(ctx, addresses, probe.ScanConfig{Jobs: 1000, Rate: 1, Timeout: time.Millisecond, Done: func() {}}, func(probe.Found) {})
	if n.Load() != 1 {
		t.Errorf("connected %d times, at a rate of one a second, in less", n.Load())
	}
}

// BenchmarkScan scans all ports of this machine.
func BenchmarkScan(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		probe.Scan(b.Context(), func(yield func(netip.AddrPort) bool) {
			for port := 1; port < 1<<16 && yield(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))); port++ {
			}
		}, probe.ScanConfig{Jobs: 256, Timeout: time.Second, Done: func() {}}, func(probe.Found) {})
	}
}
