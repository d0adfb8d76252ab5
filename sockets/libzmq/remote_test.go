package libzmq_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// daemon decides on an endpoint until stop is called or the test ends.
func daemon(t *testing.T, endpoint string, handler zap.Handler) (at string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := remote.Listen(ctx, endpoint, zmtp.Config{Mechanism: zap.MechanismNull})
	ztest.Must(t, err)
	served := make(chan error, 1)
	go func() { served <- remote.Serve(ctx, ln, handler, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		ztest.Must(t, <-served)
	})
	t.Cleanup(stop)
	return ln.Endpoint(), stop
}

// TestForward: the decision is another process's. While that one is away,
// clients wait for it, then are told to try later, and get in by themselves when
// it is back; a stranger never does.
func TestForward(t *testing.T) {
	t.Parallel()
	zctx := newContext(t)
	friend, serverKeys := curve.GenerateKeyPair(), curve.GenerateKeyPair()
	at, stop := daemon(t, "tcp://127.0.0.1:*", only(friend))
	link, err := remote.NewClient(remote.ClientConfig{Endpoint: at, Wait: 200 * time.Millisecond})
	ztest.Must(t, err)
	t.Cleanup(func() { link.Close() })
	start(t, zctx, link, nil)
	server := newSocket(t, zctx, zmq4.REP)
	ztest.Must(t, libzmq.Server(server, serverKeys, "payments"))
	atServer := monitor(t, zctx, server)
	endpoint := bind(t, server, "tcp")
	// comesIn says hello with a new socket. It returns what settled it, and how
	// often the client had to try again before. After the second time the daemon
	// is back.
	comesIn := func(keys curve.KeyPair) (outcome string, laters int) {
		t.Helper()
		client := newClient(t, zctx, zmq4.REQ, keys, serverKeys.Public, endpoint)
		if _, err := client.Send("hello", 0); err != nil {
			t.Fatal(err)
		}
		for {
			outcome := atServer.next(t)
			if outcome == "succeeded" {
				if got, properties, err := server.RecvWithMetadata(0, "User-Id"); err != nil || got != "hello" || properties["User-Id"] != "user-0" {
					t.Errorf("got %q from %q, %v", got, properties, err)
				}
				if _, err := server.Send("hello", 0); err != nil {
					t.Fatal(err)
				}
			}
			if outcome != "refused: 300" {
				return outcome, laters
			}
			if laters++; laters == 2 {
				_, stop = daemon(t, at, only(friend))
			}
		}
	}
	if outcome, laters := comesIn(friend); outcome != "succeeded" || laters > 0 {
		t.Errorf("friend: %s after %d times", outcome, laters)
	}
	if outcome, laters := comesIn(curve.GenerateKeyPair()); outcome != "refused: 400" || laters > 0 {
		t.Errorf("stranger: %s after %d times", outcome, laters)
	}
	stop()
	if outcome, laters := comesIn(friend); outcome != "succeeded" || laters < 2 {
		t.Errorf("friend while the daemon is away: %s after %d times", outcome, laters)
	}
	stop()
	if outcome, laters := comesIn(curve.GenerateKeyPair()); outcome != "refused: 400" || laters < 2 {
		t.Errorf("stranger while the daemon is away: %s after %d times", outcome, laters)
	}
}

// TestForwardWaits: who comes within the wait is let in at the first try, as
// soon as the daemon is there.
func TestForwardWaits(t *testing.T) {
	t.Parallel()
	zctx := newContext(t)
	friend, serverKeys := curve.GenerateKeyPair(), curve.GenerateKeyPair()
	at, stop := daemon(t, "tcp://127.0.0.1:*", only(friend))
	stop()
	link, err := remote.NewClient(remote.ClientConfig{Endpoint: at, Wait: patience})
	ztest.Must(t, err)
	t.Cleanup(func() { link.Close() })
	asked := make(chan struct{}, 10)
	start(t, zctx, zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		asked <- struct{}{}
		return link.Handle(ctx, req)
	}), nil)
	server := newSocket(t, zctx, zmq4.PULL)
	ztest.Must(t, server.SetHandshakeIvl(patience))
	ztest.Must(t, libzmq.Server(server, serverKeys, "payments"))
	client := newSocket(t, zctx, zmq4.PUSH)
	ztest.Must(t, client.SetHandshakeIvl(patience))
	ztest.Must(t, libzmq.Client(client, friend, serverKeys.Public))
	ztest.Must(t, client.Connect(bind(t, server, "tcp")))
	<-asked
	daemon(t, at, only(friend))
	if _, err := client.Send("hello", 0); err != nil {
		t.Fatal(err)
	}
	if got, err := server.Recv(0); err != nil || got != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if len(asked) > 0 {
		t.Errorf("asked %d times more", len(asked))
	}
}
