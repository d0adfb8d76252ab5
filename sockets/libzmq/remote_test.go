package libzmq_test

import (
	"context"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// TestForward: another process decides. While that process is down, clients wait for it
// and then try again. They are admitted when it is back; a stranger never is.
func TestForward(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	friend, serverKeys := curve.GenerateKey(), curve.GenerateKey()
	at := remotetest.Endpoint(t)
	serve := func() (stop func()) {
		_, stop = remotetest.Serve(t, at, zmtp.Config{}, only(friend), nil)
		return stop
	}
	stop := serve()
	server, endpoint, atServer := newImpatientServer(t, zctx, zmq4.REP, serverKeys, "payments")
	// admitted says hello with a new socket. It returns the final outcome, and how many
	// temporary refusals the client got before that. After the second, the daemon is
	// started again.
	admitted := func(keys curve.SecretKey) (outcome string, laters int) {
		t.Helper()
		client := newClient(t, zctx, zmq4.REQ, keys, serverKeys.Public(), endpoint)
		if _, err := client.Send("hello", 0); err != nil {
			t.Fatal(err)
		}
		for {
			switch outcome := atServer.Next(t); outcome {
			case "no detail": // the handshake took too long
			case "refused: 300":
				if laters++; laters == 2 {
					stop = serve()
				}
			case "succeeded":
				if got, properties, err := server.RecvWithMetadata(0, "User-Id"); err != nil || got != "hello" || properties["User-Id"] != "user-0" {
					t.Errorf("got %q from %q, %v", got, properties, err)
				}
				if _, err := server.Send("hello", 0); err != nil {
					t.Fatal(err)
				}
				return outcome, laters
			default:
				return outcome, laters
			}
		}
	}
	end := zmqtest.Start(t, zctx, remotetest.NewHandler(t, remote.Options{}, at), nil)
	if outcome, laters := admitted(friend); outcome != "succeeded" || laters > 0 {
		t.Errorf("friend: %s after %d times", outcome, laters)
	}
	if outcome, laters := admitted(curve.GenerateKey()); outcome != "refused: 400" || laters > 0 {
		t.Errorf("stranger: %s after %d times", outcome, laters)
	}
	end()
	zmqtest.Start(t, zctx, remotetest.NewHandler(t, remote.Options{Wait: secondTry / 3}, at), nil)
	stop()
	if outcome, laters := admitted(friend); outcome != "succeeded" || laters < 2 {
		t.Errorf("friend while the daemon is down: %s after %d times", outcome, laters)
	}
	stop()
	if outcome, laters := admitted(curve.GenerateKey()); outcome != "refused: 400" || laters < 2 {
		t.Errorf("stranger while the daemon is down: %s after %d times", outcome, laters)
	}
}

// TestForwardWaits: a client that connects shortly before the daemon starts is admitted
// at the first attempt.
func TestForwardWaits(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	friend, serverKeys := curve.GenerateKey(), curve.GenerateKey()
	at := remotetest.Endpoint(t)
	link := remotetest.NewHandler(t, remote.Options{}, at)
	asked := make(chan struct{}, 10)
	zmqtest.Start(t, zctx, zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		asked <- struct{}{}
		return link.Handle(ctx, req)
	}), nil)
	server, endpoint := newServer(t, zctx, zmq4.PULL, serverKeys, "payments")
	client := newClient(t, zctx, zmq4.PUSH, friend, serverKeys.Public(), endpoint)
	ztest.Receive(t, "the handler is asked", asked)
	remotetest.Serve(t, at, zmtp.Config{}, only(friend), nil)
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
