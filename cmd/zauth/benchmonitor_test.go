package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// BenchmarkDecisions asks a zauth about admitted clients over TCP, with and without the monitor,
// by the same policy.
func BenchmarkDecisions(b *testing.B) {
	const clients, inFlight = 1000, 64
	dir := b.TempDir()
	ztest.Must(b, os.Mkdir(filepath.Join(dir, "clients"), 0o700))
	requests := make([]*zap.Request, clients)
	for i := range requests {
		c := scenario.Named(fmt.Sprint("client-", i))
		ztest.Must(b, c.SavePublic(filepath.Join(dir, "clients", fmt.Sprint("client-", i, ".key"))))
		requests[i] = &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{c.Public[:]}}
	}
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(b, os.WriteFile(file, []byte("security\n    curve = 1\n        keystore = dir:clients\n"), 0o600))
	policy, rules, err := ruleFlags{policy: file, state: "none"}.open(slog.New(slog.DiscardHandler))
	ztest.Must(b, err)
	defer rules.Close()
	decisions := audit.New(policy, audit.Options{})
	defer decisions.Close()
	monitored := monitor.New(decisions, monitor.Options{Names: namesBy(rules), Advice: adviceBy(rules, "")})
	for name, handler := range map[string]zap.Handler{"plain": decisions, "monitored": monitored} {
		b.Run(name, func(b *testing.B) {
			ln, err := remote.Listen(b.Context(), "tcp://127.0.0.1:0", zmtp.Config{Mechanism: zap.Null})
			ztest.Must(b, err)
			go remote.Serve(b.Context(), ln, handler, slog.New(slog.DiscardHandler))
			client, err := remote.NewHandler(remote.Options{Wait: 20 * time.Second}, ln.Endpoint())
			ztest.Must(b, err)
			defer client.Close()
			share := make(chan *zap.Request, b.N)
			for i := range b.N {
				share <- requests[i%clients]
			}
			close(share)
			var work sync.WaitGroup
			b.ResetTimer()
			for range inFlight {
				work.Go(func() {
					for req := range share {
						if reply := client.Handle(b.Context(), req); reply.Status != zap.StatusOK {
							b.Error(reply)
							return
						}
					}
				})
			}
			work.Wait()
		})
	}
}
