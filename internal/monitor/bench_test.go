package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// BenchmarkDecisions compares decisions about keys with and without the monitor, by the same
// policy: an admitted client, many admitted clients on all processors, and an unknown key.
func BenchmarkDecisions(b *testing.B) {
	const clients = 1000
	dir := b.TempDir()
	ztest.Must(b, os.Mkdir(filepath.Join(dir, "clients"), 0o700))
	requests := make([]*zap.Request, clients)
	for i := range requests {
		c := scenario.Named(fmt.Sprint("client-", i))
		ztest.Must(b, c.SavePublic(filepath.Join(dir, "clients", fmt.Sprint("client-", i, ".key"))))
		requests[i] = &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{c.Public[:]}, Asker: "ipc"}
	}
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(b, os.WriteFile(file, []byte("security\n    curve = 1\n        keystore = dir:clients\n"), 0o600))
	p, err := policy.Load(file, policy.Options{State: policy.StateNone})
	ztest.Must(b, err)
	defer p.Close()
	decisions := audit.New(p, audit.Options{})
	defer decisions.Close()
	unknown := *requests[0]
	unknown.Credentials = [][]byte{make([]byte, 32)}
	unknown.Credentials[0][0] = 9
	for _, handler := range []struct {
		name string
		zap.PromptHandler
	}{{"plain", decisions}, {"monitored", monitor.New(decisions, monitor.Options{})}} {
		ask := func(b *testing.B, req *zap.Request, want zap.Status) {
			if reply, ok := handler.HandleAtOnce(req); !ok || reply.Status != want {
				b.Error(reply)
			}
		}
		b.Run(handler.name, func(b *testing.B) {
			b.Run("admitted", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					ask(b, requests[0], zap.StatusOK)
				}
			})
			b.Run("all", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						ask(b, requests[i%clients], zap.StatusOK)
					}
				})
			})
			b.Run("unknown", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					ask(b, &unknown, zap.StatusRefused)
				}
			})
		})
	}
}
