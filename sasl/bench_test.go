package sasl_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// connection returns both ends of a connection over TCP.
func connection(b *testing.B, client, server zmtp.Config) (c, s *zmtp.Conn) {
	b.Helper()
	ctx := ztest.Context(b)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(b, err)
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	ztest.Must(b, err)
	accepted, err := ln.Accept()
	ztest.Must(b, err)
	done := make(chan error, 1)
	go func() {
		var err error
		s, err = zmtp.Server(ctx, accepted, server)
		done <- err
	}()
	c, err = zmtp.Client(ctx, dialed, client)
	ztest.Must(b, err, <-done)
	return c, s
}

// connectionConfigs returns the configurations of a connection, with CURVE if curved is set.
func connectionConfigs(curved bool) (client, server zmtp.Config) {
	client = zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null}
	server = zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null}
	if curved {
		client.Mechanism, server.Mechanism = zap.Curve, zap.Curve
		client.Key, server.Key = curve.GenerateKey(), curve.GenerateKey()
		client.ServerKey, server.Handler = server.Key.Public(), admit
	}
	return client, server
}

// BenchmarkCurve measures both sides of an exchange with CURVE in memory, beside the
// handshake of a CURVE connection and that of a connection without.
func BenchmarkCurve(b *testing.B) {
	b.Run("sasl", func(b *testing.B) {
		client, server := halves(b)
		b.ReportAllocs()
		for b.Loop() {
			message, err := client.Start()
			for !client.Done() {
				ztest.Must(b, err)
				message, err = server.Handle(b.Context(), message)
				ztest.Must(b, err)
				message, err = client.Handle(message)
			}
			ztest.Must(b, err)
		}
	})
	for _, curved := range []bool{true, false} {
		b.Run(fmt.Sprintf("zmtp/curve=%v", curved), func(b *testing.B) {
			client, server := connectionConfigs(curved)
			b.ReportAllocs()
			for b.Loop() {
				c, s := connection(b, client, server)
				b.StopTimer()
				c.CloseNow()
				s.CloseNow()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkLayer measures messages in the security layer over a connection without CURVE,
// beside messages over a CURVE connection.
func BenchmarkLayer(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, inLayer := range []bool{true, false} {
			name := "zmtp"
			if inLayer {
				name = "layer"
			}
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				client, server := connectionConfigs(!inLayer)
				c, s := connection(b, client, server)
				defer c.CloseNow()
				defer s.CloseNow()
				saslClient, saslServer := halves(b)
				authenticate(b, saslClient, saslServer, connEnd(b, c), connEnd(b, s))
				sealer, _ := saslClient.Layer()
				_, opener := saslServer.Layer()
				ctx := ztest.Context(b)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				done := make(chan error, 1)
				go func() {
					var buf []byte
					for n := 0; n < b.N; {
						batch, err := s.RecvBatch(ctx)
						if err != nil {
							done <- err
							return
						}
						for _, message := range batch {
							if inLayer {
								buf, _, err = opener.Open(buf[:0], message[0])
								ztest.Must(b, err)
							}
						}
						n += len(batch)
					}
					done <- nil
				}()
				data := make([]byte, size)
				var buf []byte
				for range b.N {
					message := data
					if inLayer {
						var err error
						buf, err = sealer.Seal(buf[:0], 0, data)
						ztest.Must(b, err)
						message = buf
					}
					ztest.Must(b, c.Queue(ctx, message))
				}
				ztest.Must(b, c.Flush(ctx), <-done)
			})
		}
	}
}
