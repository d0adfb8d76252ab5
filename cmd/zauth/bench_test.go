//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// benchTime is how long a benchmark waits for a peer that counts by itself.
const benchTime = "2"

// BenchmarkPeers asks about a known CURVE client: zauth in a separate process over ipc
// and tcp, with all checks on, and in the same run the authenticators of pyzmq and czmq,
// each within its own process. Each runs with 10 certificates, and then with 10,000.
func BenchmarkPeers(b *testing.B) {
	czmq := ztest.CProgram(b, "cmd/zauth/testdata/peers/czmq.c", "-O2", "-lczmq", "-lzmq")
	for _, count := range []int{10, 10_000} {
		dir := filepath.Join(b.TempDir(), "traders")
		ztest.Must(b, os.Mkdir(dir, 0o700))
		var known *cert.Certificate
		for i := range count {
			c := scenario.Named(fmt.Sprint("client-", i), cert.Metadata{{"group", "traders"}}...)
			ztest.Must(b, c.SavePublic(filepath.Join(dir, fmt.Sprintf("client-%05d.key", i))))
			if i == 0 {
				known = c
			}
		}
		time.Sleep(3 * time.Second) // or zauth would read files again that may still be written
		for _, endpoint := range []string{"ipc://" + filepath.Join(b.TempDir(), "zauth"), "tcp://127.0.0.1:*"} {
			for _, inFlight := range []int{64, 10_000} {
				name := fmt.Sprintf("%d certificates/zauth-%s-%d", count, endpoint[:3], inFlight)
				b.Run(name, func(b *testing.B) { benchServe(b, dir, endpoint, known, inFlight) })
			}
		}
		first := filepath.Join(dir, "client-00000.key")
		for name, command := range map[string][]string{
			"pyzmq-64": {ztest.Python(b), "testdata/peers/pyzmq.py", dir, benchTime, "64"},
			"czmq-64":  {czmq, dir, benchTime, "64", first},
		} {
			b.Run(fmt.Sprintf("%d certificates/%s", count, name), func(b *testing.B) {
				for b.Loop() {
				}
				b.ReportMetric(0, "ns/op")
				out, err := exec.Command(command[0], command[1:]...).Output()
				ztest.Must(b, err)
				rate, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
				ztest.Must(b, err)
				b.ReportMetric(rate, "requests/s")
			})
		}
	}
}

// benchServe starts a zauth and asks it.
func benchServe(b *testing.B, dir, endpoint string, known *cert.Certificate, inFlight int) {
	file := filepath.Join(b.TempDir(), "policy")
	ztest.Must(b, os.WriteFile(file, fmt.Appendf(nil, "security\n    allow = 192.0.2.0/24\n    curve = 1\n        keystore = dir:%s\n        group = traders\n", filepath.Dir(dir)), 0o600))
	z := startZauth(b, "--listen", endpoint, "--policy", file, "--log-level", "warn")
	defer z.kill()
	// A client has at most 4,096 requests in progress.
	clients := make([]*remote.Handler, 1+inFlight/4096)
	for i := range clients {
		client, err := remote.NewHandler(remote.Options{Wait: 20 * time.Second}, z.endpoint)
		ztest.Must(b, err)
		defer client.Close()
		clients[i] = client
	}
	req := &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{known.Public[:]}}
	var mu sync.Mutex
	var latencies []time.Duration
	var work sync.WaitGroup
	share := make(chan struct{}, b.N)
	for range b.N {
		share <- struct{}{}
	}
	close(share)
	b.ResetTimer()
	for i := range inFlight {
		client := clients[i%len(clients)]
		work.Go(func() {
			var own []time.Duration
			for range share {
				start := time.Now()
				if reply := client.Handle(b.Context(), req); reply.Status != zap.StatusOK {
					b.Error(reply)
					return
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
		})
	}
	work.Wait()
	b.StopTimer()
	slices.Sort(latencies)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	if len(latencies) > 0 {
		b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), "p99-µs")
	}
}
