package libzmq_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// BenchmarkRequests asks about a CURVE client that is admitted, with 1 and with 64
// requests in progress. For comparison, it asks the handler of zmq4, of which a process
// has only one, in the default context.
func BenchmarkRequests(b *testing.B) {
	keys := curve.GenerateKey()
	public := keys.Public()
	for _, bb := range []struct {
		name  string
		start func(b *testing.B) *zmq4.Socket // connected to the handler
	}{
		{"policy", func(b *testing.B) *zmq4.Socket {
			zctx := zmqtest.NewContext(b)
			dir := b.TempDir()
			alice := &cert.Certificate{Public: keys.Public(), Metadata: cert.Metadata{{Name: "name", Value: "alice"}}}
			file := filepath.Join(dir, "policy")
			ztest.Must(b, os.WriteFile(file, []byte("security\n    domain = payments\n    allow = 192.0.2.0/24\n    curve = 1\n        keystore = dir:clients\n        group = traders\n"), 0o600))
			traders := filepath.Join(dir, "clients", "traders")
			ztest.Must(b, os.MkdirAll(traders, 0o700), alice.SavePublic(filepath.Join(traders, "alice.key")))
			p, err := policy.Load(file, policy.Options{})
			ztest.Must(b, err)
			b.Cleanup(func() { p.Close() })
			zmqtest.Start(b, zctx, p, nil)
			return asker(b, zctx, zmq4.DEALER)
		}},
		{"zcurve", func(b *testing.B) *zmq4.Socket {
			zctx := zmqtest.NewContext(b)
			known := map[curve.PublicKey]bool{keys.Public(): true}
			zmqtest.Start(b, zctx, zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
				if key, ok := req.CurveKey(); !ok || !known[key] {
					return zap.Refuse("NO ACCESS")
				}
				return zap.Reply{Status: zap.StatusOK, Text: "OK"}
			}), nil)
			return asker(b, zctx, zmq4.DEALER)
		}},
		{"zmq4", func(b *testing.B) *zmq4.Socket {
			zmq4.AuthCurveAdd("payments", keys.Public().String())
			ztest.Must(b, zmq4.AuthStart())
			b.Cleanup(zmq4.AuthStop)
			sock, err := zmq4.NewSocket(zmq4.DEALER)
			ztest.Must(b, err)
			b.Cleanup(func() { sock.Close() })
			ztest.Must(b, sock.SetLinger(0), sock.SetRcvtimeo(ztest.Patience), sock.Connect("inproc://zeromq.zap.01"))
			return sock
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			sock := bb.start(b)
			send := func() {
				if _, err := sock.SendMessage("", "1.0", "1", "payments", "192.0.2.1", "", "CURVE", public[:]); err != nil {
					b.Fatal(err)
				}
			}
			receive := func() {
				frames, err := sock.RecvMessage(0)
				ztest.Must(b, err)
				if frames[3] != "200" {
					b.Fatalf("got %q", frames)
				}
			}
			for _, inFlight := range []int{1, 64} {
				b.Run(map[int]string{1: "one", 64: "64"}[inFlight], func(b *testing.B) {
					for range inFlight {
						send()
					}
					for b.Loop() {
						receive()
						send()
					}
					for range inFlight {
						receive()
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
				})
			}
		})
	}
}
