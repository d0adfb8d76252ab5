package zmq4_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// mechanisms returns what a server and a client need for each mechanism.
func mechanisms() map[string][2]zmq4.Option {
	server, client := curve.GenerateKey(), curve.GenerateKey()
	admit := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("client") })
	return map[string][2]zmq4.Option{
		zap.Null: {zmq4.WithSecurity(nil), zmq4.WithSecurity(nil)},
		zap.Curve: {
			zmq4.WithSecurity(zmq4.CurveServer(server, "test", admit)),
			zmq4.WithSecurity(zmq4.CurveClient(client, server.Public())),
		},
	}
}

// ofMechanisms runs a benchmark for each mechanism.
func ofMechanisms(b *testing.B, run func(b *testing.B, server, client zmq4.Option)) {
	for name, options := range mechanisms() {
		b.Run(name, func(b *testing.B) { run(b, options[0], options[1]) })
	}
}

// drain receives count messages in the background, and sends how that ended.
func drain(s zmq4.Socket, count int) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for range count {
			if _, err := s.Recv(); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	return ended
}

// sizes are those of the messages.
var sizes = []int{64, 1 << 10, 64 << 10}

// BenchmarkPushPull sends messages one way. The time ends when the last is received.
func BenchmarkPushPull(b *testing.B) {
	ofMechanisms(b, func(b *testing.B, server, client zmq4.Option) {
		for _, size := range sizes {
			b.Run(fmt.Sprint(size), func(b *testing.B) {
				pull, push := open(b, zmq4.NewPull, server), open(b, zmq4.NewPush, client)
				ztest.Must(b, push.Dial(listen(b, pull, "tcp")))
				msg := zmq4.NewMsg(make([]byte, size))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				ended := drain(pull, b.N)
				for range b.N {
					if err := push.Send(msg); err != nil {
						b.Fatal(err)
					}
				}
				ztest.Must(b, <-ended)
			})
		}
	})
}

// BenchmarkPublish sends each message to all subscribers. The marks are 0, so that none is
// dropped.
func BenchmarkPublish(b *testing.B) {
	ofMechanisms(b, func(b *testing.B, server, client zmq4.Option) {
		for _, subscribers := range []int{1, 10, 100} {
			b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
				pub := open(b, zmq4.NewXPub, server, zmq4.WithVerbose(), zmq4.WithHighWaterMarks(0, 0))
				at := listen(b, pub, "tcp")
				var subs []zmq4.Socket
				for range subscribers {
					sub := open(b, zmq4.NewSub, client)
					ztest.Must(b, sub.SetOption(zmq4.OptionSubscribe, ""), sub.Dial(at))
					subs = append(subs, sub)
				}
				for range subs {
					_, err := pub.Recv()
					ztest.Must(b, err)
				}
				msg := zmq4.NewMsg(make([]byte, 64))
				b.ReportAllocs()
				b.ResetTimer()
				var ended []<-chan error
				for _, sub := range subs {
					ended = append(ended, drain(sub, b.N))
				}
				for range b.N {
					if err := pub.Send(msg); err != nil {
						b.Fatal(err)
					}
				}
				for _, err := range ended {
					ztest.Must(b, <-err)
				}
			})
		}
	})
}

// BenchmarkRequestReply measures a request and its reply, which are two frames each.
func BenchmarkRequestReply(b *testing.B) { benchmarkTrips(b, zmq4.NewReq, zmq4.NewRep) }

// BenchmarkDealerRouter measures a message and its echo, which are one frame each.
func BenchmarkDealerRouter(b *testing.B) { benchmarkTrips(b, zmq4.NewDealer, zmq4.NewRouter) }

func benchmarkTrips(b *testing.B, asks, answers newSocket) {
	ofMechanisms(b, func(b *testing.B, server, client zmq4.Option) {
		rep, req := open(b, answers, server), open(b, asks, client)
		ztest.Must(b, req.Dial(listen(b, rep, "tcp")))
		ended := make(chan error, 1)
		go func() {
			for range b.N {
				msg, err := rep.Recv()
				if err == nil {
					err = rep.Send(msg)
				}
				if err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		msg := zmq4.NewMsg(make([]byte, 64))
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if err := req.Send(msg); err != nil {
				b.Fatal(err)
			}
			if _, err := req.Recv(); err != nil {
				b.Fatal(err)
			}
		}
		ztest.Must(b, <-ended)
	})
}
