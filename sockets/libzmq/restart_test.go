package libzmq_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

// TestStartStop: a closed authenticator leaves nothing in its context, and the next one
// binds at once.
func TestStartStop(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	// Each authenticator has three sockets. A closed socket counts until libzmq has freed
	// it in the background.
	ztest.Must(t, zctx.SetMaxSockets(150))
	patiently := func(what string, try func() error) {
		t.Helper()
		ztest.Wait(t, what, func() bool {
			err := try()
			if err != nil && !errors.Is(err, zmq4.Errno(syscall.EMFILE)) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	for i := range 200 {
		var a *libzmq.Authenticator
		patiently("sockets for an authenticator", func() (err error) {
			a, err = libzmq.Start(zctx, byDomain, nil)
			return err
		})
		if i%20 == 0 {
			var dealer *zmq4.Socket
			patiently("a socket to ask with", func() (err error) {
				dealer, err = zctx.NewSocket(zmq4.DEALER)
				return err
			})
			ztest.Must(t, dealer.SetLinger(0), dealer.SetRcvtimeo(ztest.Patience), dealer.Connect(libzmq.Endpoint))
			ask(t, dealer, "1", "payments")
			if _, reply := answer(t, dealer); reply.UserID != "payments" {
				t.Errorf("%d: got %+v", i, reply)
			}
			ztest.Must(t, dealer.Close())
		}
		ztest.Must(t, a.Close())
	}
}

// TestClose: Close can be called more than once, and from many goroutines.
func TestClose(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	a, err := libzmq.Start(zctx, byDomain, nil)
	ztest.Must(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { a.Close() })
	}
	all.Wait()
	a.Close()
	zmqtest.Start(t, zctx, byDomain, nil)
	var zero libzmq.Authenticator
	ztest.Must(t, zero.Close())
}

// TestTerm: terminating the libzmq context stops an authenticator, together with the
// decisions in progress.
func TestTerm(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	h := newHeld()
	a, err := libzmq.Start(zctx, h, nil)
	ztest.Must(t, err)
	dealer := asker(t, zctx, zmq4.DEALER)
	ask(t, dealer, "1", "slow")
	ztest.Receive(t, "the handler is asked", h.entered)
	ztest.Must(t, dealer.Close())
	zmqtest.Term(t, zctx)
	a.Close()
}

// TestStopRefusesNobody: a client whose decision is in progress when the authenticator is
// closed gets no reply. It tries again, and is admitted when there is a handler again.
func TestStopRefusesNobody(t *testing.T) {
	t.Parallel()
	for range 10 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			zctx := zmqtest.NewContext(t)
			h := newHeld()
			stop := zmqtest.Start(t, zctx, h, nil)
			keys, serverKeys := curve.GenerateKey(), curve.GenerateKey()
			_, endpoint, _ := newImpatientServer(t, zctx, zmq4.PULL, serverKeys, "slow")
			client := zmqtest.NewSocket(t, zctx, zmq4.PUSH)
			ztest.Must(t, libzmq.SetClient(client, keys, serverKeys.Public()))
			outcomes := zmqtest.Monitor(t, zctx, client)
			ztest.Must(t, client.Connect(endpoint))
			ztest.Receive(t, "the handler is asked", h.entered)
			stop() // the handler returns status 500
			zmqtest.Start(t, zctx, only(keys), nil)
			for outcome := ""; outcome != "succeeded"; {
				if outcome = outcomes.Next(t); strings.HasPrefix(outcome, "refused") {
					t.Fatal(outcome)
				}
			}
		})
	}
}

// TestRestart: the handler stops and starts while clients keep trying. A friend is
// admitted each time. A client that has tried from the beginning is admitted in the end.
// The stranger never is.
func TestRestart(t *testing.T) {
	t.Parallel()
	zctx, clients := zmqtest.NewContext(t), zmqtest.NewContext(t)
	friend, stranger, serverKeys := curve.GenerateKey(), curve.GenerateKey(), curve.GenerateKey()
	server := zmqtest.NewSocket(t, zctx, zmq4.PULL)
	ztest.Must(t, server.SetHandshakeIvl(secondTry), libzmq.SetServer(server, serverKeys, "payments"))
	endpoint := zmqtest.Bind(t, server, "tcp")

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := knock(ctx, clients, stranger, serverKeys.Public(), endpoint); err != nil {
				t.Error(err)
				return
			}
		}
	})
	patient := newClient(t, clients, zmq4.PUSH, friend, serverKeys.Public(), endpoint)
	if _, err := patient.Send("patient", 0); err != nil {
		t.Fatal(err)
	}
	patientIsIn := false
	// receive returns the next message, or "" if none arrives in time.
	receive := func() string {
		t.Helper()
		got, properties, err := server.RecvWithMetadata(0, "User-Id")
		if err != nil {
			return ""
		}
		if got == "stranger" || properties["User-Id"] != "user-0" {
			t.Errorf("%q was admitted as %q", got, properties["User-Id"])
		}
		patientIsIn = patientIsIn || got == "patient"
		return got
	}
	// admitted waits for a message from name, and reports whether it arrived.
	admitted := func(name string) bool {
		t.Helper()
		ztest.Must(t, server.SetRcvtimeo(ztest.Patience))
		for {
			if got := receive(); got == name || got == "" {
				return got == name
			}
		}
	}
	for round := range 20 {
		stop := zmqtest.Start(t, zctx, only(friend), nil)
		name := fmt.Sprint("friend ", round)
		client := newClient(t, clients, zmq4.PUSH, friend, serverKeys.Public(), endpoint)
		if _, err := client.Send(name, 0); err != nil {
			t.Fatal(err)
		}
		if !admitted(name) {
			t.Fatalf("%s was not admitted", name)
		}
		ztest.Must(t, client.Close())
		stop()
		// No client is admitted now, so a message is from a friend that was admitted
		// before. This misses a stranger that takes longer.
		ztest.Must(t, server.SetRcvtimeo(20*time.Millisecond))
		for receive() != "" {
		}
	}
	zmqtest.Start(t, zctx, only(friend), nil)
	if !patientIsIn && !admitted("patient") {
		t.Error("the client that has tried from the beginning was not admitted")
	}
}

// knock sends "stranger" on a new socket, and waits until libzmq gives up the connection
// because it is refused.
func knock(ctx context.Context, zctx *zmq4.Context, keys curve.SecretKey, server curve.PublicKey, endpoint string) error {
	sock, err := zctx.NewSocket(zmq4.PUSH)
	if err != nil {
		return err
	}
	defer sock.Close()
	err = errors.Join(
		sock.SetLinger(0),
		sock.SetReconnectIvl(time.Millisecond),
		libzmq.SetClient(sock, keys, server),
		sock.Connect(endpoint))
	sock.Send("stranger", zmq4.DONTWAIT)
	for err == nil && ctx.Err() == nil {
		var events zmq4.State
		if events, err = sock.GetEvents(); events&zmq4.POLLOUT == 0 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return err
}

// TestHandlerContext: the context of a handler ends with the authenticator, and a handler
// that does not return delays neither Close nor the next authenticator.
func TestHandlerContext(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	a, err := libzmq.Start(zctx, zap.HandlerFunc(func(ctx context.Context, _ *zap.Request) zap.Reply {
		close(entered)
		defer close(left)
		<-ctx.Done()
		<-release
		return zap.Refuse("too late")
	}), nil)
	ztest.Must(t, err)
	ask(t, asker(t, zctx, zmq4.DEALER), "1", "payments")
	ztest.Receive(t, "the handler is asked", entered)
	closed := make(chan struct{})
	go func() {
		a.Close()
		close(closed)
	}()
	ztest.Receive(t, "Close returns", closed)
	zmqtest.Start(t, zctx, byDomain, nil)
	dealer := asker(t, zctx, zmq4.DEALER)
	ask(t, dealer, "1", "payments")
	answer(t, dealer)
	close(release)
	ztest.Receive(t, "the handler returns", left)
}
