package libzmq_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

// deaf is a handler that ignores its context. It does not decide about the domain "slow"
// until it is released.
type deaf struct {
	release, entered chan struct{}
}

func newDeaf(t *testing.T) *deaf {
	d := &deaf{make(chan struct{}), make(chan struct{}, 4*maxInFlight)}
	t.Cleanup(func() { close(d.release) })
	return d
}

func (d *deaf) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	if req.Domain == "slow" {
		d.entered <- struct{}{}
		<-d.release
	}
	return byDomain(ctx, req)
}

// prompt decides everything at once, by calling Handle.
type prompt struct{ zap.Handler }

func (p prompt) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	return p.Handle(context.Background(), req), true
}

// TestCloseLeavesHandlers: Close returns even if a handler does not return from Handle or
// HandleAtOnce.
func TestCloseLeavesHandlers(t *testing.T) {
	t.Parallel()
	for name, isPrompt := range map[string]bool{"in Handle": false, "in HandleAtOnce": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zctx := zmqtest.NewContext(t)
			d := newDeaf(t)
			handler := zap.Handler(d)
			if isPrompt {
				handler = prompt{d}
			}
			var log ztest.Log
			a, err := libzmq.Start(zctx, handler, log.Logger())
			ztest.Must(t, err)
			dealer := asker(t, zctx, zmq4.DEALER)
			ask(t, dealer, "1", "slow")
			ztest.Receive(t, "the handler is asked", d.entered)
			done := make(chan struct{})
			go func() { a.Close(); close(done) }()
			ztest.Receive(t, "Close returns", done)
			if isPrompt != (log.Count("level=ERROR", "does not return from HandleAtOnce") == 1) {
				t.Errorf("log:\n%s", &log)
			}
		})
	}
}

// TestDecisionTime: a request whose handler does not return in time gets status 300, and
// frees its place for another. A later reply is dropped.
func TestDecisionTime(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	d := newDeaf(t)
	var log ztest.Log
	a, err := libzmq.StartWithin(zctx, d, log.Logger(), 10*time.Millisecond)
	ztest.Must(t, err)
	defer a.Close()
	dealer := asker(t, zctx, zmq4.DEALER)
	for range 2 {
		for range maxInFlight {
			ask(t, dealer, "1", "slow")
		}
		for range maxInFlight {
			if _, reply := answer(t, dealer); reply.Status != zap.StatusTryLater {
				t.Fatalf("got %+v", reply)
			}
		}
	}
	if n := log.Count("level=ERROR", "the ZAP handler failed", "no decision in time"); n != 1 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}

// ending is a handler that ends its goroutine if asked at once about the domain "end".
type ending struct{ zap.Handler }

func (e ending) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	if req.Domain == "end" {
		runtime.Goexit()
	}
	return zap.Reply{}, false
}

// TestHandlerEndsGoroutine: if the handler calls runtime.Goexit, as a failed test does,
// only that request fails, and the authenticator can still be closed.
func TestHandlerEndsGoroutine(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	var log ztest.Log
	h := newHeld()
	stop := zmqtest.Start(t, zctx, ending{h}, log.Logger())
	dealer := asker(t, zctx, zmq4.DEALER)
	ask(t, dealer, "slow", "slow")
	ztest.Receive(t, "the handler is asked", h.entered)
	for range 3 {
		ask(t, dealer, "1", "end")
		if got, reply := answer(t, dealer); got != "1" || reply.Status != zap.StatusError {
			t.Errorf("%s got %+v", got, reply)
		}
		ask(t, dealer, "2", "payments")
		if got, reply := answer(t, dealer); got != "2" || reply.UserID != "payments" {
			t.Errorf("%s got %+v", got, reply)
		}
	}
	close(h.release)
	if got, reply := answer(t, dealer); got != "slow" || reply.UserID != "slow" {
		t.Errorf("%s got %+v", got, reply)
	}
	stop()
	if log.Count("level=ERROR", "the ZAP handler ended its goroutine: continuing\"") != 1 || log.Count("continuing again", "count=2") != 1 {
		t.Errorf("log:\n%s", &log)
	}
	zmqtest.Start(t, zctx, byDomain, nil) // the endpoint is free
}

// TestReplyTooLarge: a client whose reply is too large for a ZAP message is refused at
// once, and this is logged.
func TestReplyTooLarge(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	var log ztest.Log
	metadata := zap.Metadata{{Name: "X-Large", Value: string(make([]byte, 70<<10))}}
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Reply{Status: zap.StatusOK, Metadata: metadata}
	})
	zmqtest.Start(t, zctx, handler, log.Logger())
	keys := curve.GenerateKey()
	_, endpoint := newServer(t, zctx, zmq4.PULL, keys, "payments")
	client := zmqtest.NewSocket(t, zctx, zmq4.PUSH)
	outcomes := zmqtest.Monitor(t, zctx, client)
	ztest.Must(t, libzmq.SetClient(client, curve.GenerateKey(), keys.Public()), client.Connect(endpoint))
	if got := outcomes.Next(t); got != "refused: 500" {
		t.Errorf("got %s", got)
	}
	if log.Count("level=ERROR", "the ZAP handler failed", "more than 64 KiB") != 1 {
		t.Errorf("log:\n%s", &log)
	}
}

// TestStopLogged: an authenticator logs that it has stopped, because its servers admit no
// more clients.
func TestStopLogged(t *testing.T) {
	t.Parallel()
	var log ztest.Log
	zmqtest.Start(t, zmqtest.NewContext(t), byDomain, log.Logger())()
	if text := log.String(); !strings.Contains(text, "ZAP handler stopped: servers in a ZAP domain admit no more clients") {
		t.Errorf("log:\n%s", text)
	}
}
