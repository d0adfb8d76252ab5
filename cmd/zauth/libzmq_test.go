//go:build cgo && unix

package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// service is a libzmq REP socket that replies with the client's user id, and asks
// zauth about each client.
type service struct {
	endpoint string
	keys     curve.SecretKey
	link     zap.Handler

	mu     sync.Mutex
	asked  map[curve.PublicKey]int // how often the service asked about a client
	laters map[curve.PublicKey]int // number of answers that were 300
}

// Handle asks zauth and counts the answers.
func (s *service) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	key, _ := req.CurveKey()
	s.count(s.asked, key)
	reply := s.link.Handle(ctx, req)
	if reply.Status == zap.StatusTryLater {
		s.count(s.laters, key)
	}
	return reply
}

func (s *service) count(counts map[curve.PublicKey]int, key curve.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts[key]++
}

// counted returns how often the service asked about a client, and how often the
// answer was 300.
func (s *service) counted(keys curve.SecretKey) (asked, laters int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[keys.Public()], s.laters[keys.Public()]
}

// startService runs a service until the test ends, with a timeout for handshakes: after
// an answer 300, libzmq tells the client nothing, and only the timeout ends the
// handshake.
func startService(t *testing.T, opts remote.Options, endpoint string, handshake time.Duration) *service {
	t.Helper()
	s := &service{
		keys:   curve.GenerateKey(),
		link:   remotetest.NewHandler(t, opts, endpoint),
		asked:  map[curve.PublicKey]int{},
		laters: map[curve.PublicKey]int{},
	}
	zctx := zmqtest.NewContext(t)
	zmqtest.Start(t, zctx, s, nil)
	sock := zmqtest.NewSocket(t, zctx, zmq4.REP)
	ztest.Must(t, sock.SetHandshakeIvl(handshake), sock.SetRcvtimeo(50*time.Millisecond), libzmq.SetServer(sock, s.keys, "test"))
	s.endpoint = zmqtest.Bind(t, sock, "tcp")
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for ctx.Err() == nil {
			if _, p, err := sock.RecvMessageWithMetadata(0, "User-Id"); err == nil {
				sock.SendMessage("hello " + p["User-Id"])
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	return s
}

// ask asks the service once in pure Go.
func (s *service) ask(ctx context.Context, keys curve.SecretKey) (string, error) {
	conn, err := zmtp.Dial(ctx, s.endpoint, zmtp.Config{SocketType: "REQ", Mechanism: zap.Curve, Key: keys, ServerKey: s.keys.Public(), HandshakeTimeout: ztest.Patience})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.Send(ctx, nil, []byte("good morning")); err != nil {
		return "", err
	}
	reply, err := conn.Recv(ctx)
	if err != nil {
		return "", err
	}
	return string(reply[len(reply)-1]), nil
}

// askLibzmq asks the service with a libzmq socket, which retries until it is admitted
// or refused.
func (s *service) askLibzmq(keys curve.SecretKey) (string, error) {
	zctx, err := zmq4.NewContext()
	if err != nil {
		return "", err
	}
	defer zctx.Term()
	sock, err := zctx.NewSocket(zmq4.REQ)
	if err != nil {
		return "", err
	}
	defer sock.Close()
	for _, err := range []error{
		sock.SetLinger(0),
		sock.SetRcvtimeo(ztest.Patience),
		sock.SetHandshakeIvl(ztest.Patience),
		libzmq.SetClient(sock, keys, s.keys.Public()),
		sock.Connect(s.endpoint),
	} {
		if err != nil {
			return "", err
		}
	}
	if _, err := sock.SendMessage("good morning"); err != nil {
		return "", err
	}
	reply, err := sock.RecvMessage(0)
	return strings.Join(reply, ""), err
}

// intruders lets a stranger try to connect continuously until the test ends. It fails
// the test if one is admitted.
func intruders(t *testing.T, s *service) {
	ctx, cancel := context.WithCancel(context.Background())
	var tried atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			keys := curve.GenerateKey()
			for ctx.Err() == nil {
				attempt, done := context.WithTimeout(ctx, 500*time.Millisecond)
				if reply, err := s.ask(attempt, keys); err == nil {
					t.Errorf("a stranger was admitted: %q", reply)
				}
				done()
				tried.Add(1)
			}
		})
	}
	t.Cleanup(func() {
		defer wg.Wait()
		defer cancel()
		ztest.Wait(t, "the strangers try", func() bool { return tried.Load() >= 3 })
	})
}
