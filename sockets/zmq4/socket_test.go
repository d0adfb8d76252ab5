package zmq4_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

type newSocket = func(context.Context, ...zmq4.Option) zmq4.Socket

// open returns a socket that is closed at the end of the test.
func open(t testing.TB, of newSocket, opts ...zmq4.Option) zmq4.Socket {
	t.Helper()
	s := of(ztest.Context(t), append([]zmq4.Option{zmq4.WithLogger(nil), zmq4.WithLinger(10 * time.Second)}, opts...)...)
	t.Cleanup(func() { s.Close() })
	return s
}

// listen listens at a free address of a transport, and returns the endpoint to dial.
func listen(t testing.TB, s zmq4.Socket, transport string) string {
	t.Helper()
	at := map[string]string{"tcp": "tcp://127.0.0.1:*", "ipc": "ipc://" + filepath.Join(t.TempDir(), "s"), "inproc": "inproc://" + t.Name()}[transport]
	ztest.Must(t, s.Listen(at))
	if transport == "tcp" {
		return "tcp://" + s.Addr().String()
	}
	return at
}

func recv(t testing.TB, s zmq4.Socket) zmq4.Msg {
	t.Helper()
	msg, err := s.Recv()
	ztest.Must(t, err)
	return msg
}

func TestPushPull(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			push, pull := open(t, zmq4.NewPush), open(t, zmq4.NewPull)
			ztest.Must(t, push.Dial(listen(t, pull, transport)))
			const n = 20_000
			go func() {
				for i := range n {
					if err := push.Send(zmq4.NewMsgFrom(fmt.Append(nil, i), []byte("two"))); err != nil {
						t.Error(err)
						return
					}
				}
			}()
			for i := range n {
				if msg := recv(t, pull); string(msg.Frames[0]) != fmt.Sprint(i) || len(msg.Frames) != 2 || string(msg.Frames[1]) != "two" {
					t.Fatalf("message %d: %v", i, msg)
				}
			}
		})
	}
}

// TestRoundRobin sends to two peers in turn, instead of to both.
func TestRoundRobin(t *testing.T) {
	t.Parallel()
	push := open(t, zmq4.NewPush)
	one, two := open(t, zmq4.NewPull), open(t, zmq4.NewPull)
	ztest.Must(t, push.Dial(listen(t, one, "tcp")))
	ztest.Must(t, push.Dial(listen(t, two, "tcp")))
	for i := range 10 {
		ztest.Must(t, push.Send(zmq4.NewMsgString(fmt.Sprint(i))))
	}
	for i := range 5 {
		a, b := recv(t, one), recv(t, two)
		if string(a.Bytes()) != fmt.Sprint(2*i) || string(b.Bytes()) != fmt.Sprint(2*i+1) {
			t.Errorf("%v and %v", a, b)
		}
	}
}

func TestRequestReply(t *testing.T) {
	t.Parallel()
	{
		req, rep := open(t, zmq4.NewReq), open(t, zmq4.NewRep)
		ztest.Must(t, req.Dial(listen(t, rep, "tcp")))
		for i := range 100 {
			ztest.Must(t, req.Send(zmq4.NewMsgFrom([]byte("a"), nil, fmt.Append(nil, i))))
			msg := recv(t, rep)
			if len(msg.Frames) != 3 || string(msg.Frames[2]) != fmt.Sprint(i) {
				t.Fatalf("request %v", msg)
			}
			ztest.Must(t, rep.Send(msg))
			if msg := recv(t, req); len(msg.Frames) != 3 || string(msg.Frames[0]) != "a" || string(msg.Frames[2]) != fmt.Sprint(i) {
				t.Fatalf("reply %v", msg)
			}
		}
	}
}

func TestRouterDealer(t *testing.T) {
	t.Parallel()
	router := open(t, zmq4.NewRouter, zmq4.WithMandatory())
	at := listen(t, router, "tcp")
	named, anonymous := open(t, zmq4.NewDealer, zmq4.WithID(zmq4.SocketIdentity("alice"))), open(t, zmq4.NewDealer)
	ztest.Must(t, named.Dial(at))
	ztest.Must(t, anonymous.Dial(at))
	for _, dealer := range []zmq4.Socket{named, anonymous} {
		ztest.Must(t, dealer.Send(zmq4.NewMsgString("hello")))
		msg := recv(t, router)
		if dealer == named && string(msg.Frames[0]) != "alice" || dealer == anonymous && (len(msg.Frames[0]) != 5 || msg.Frames[0][0] != 0) {
			t.Errorf("identity %q", msg.Frames[0])
		}
		ztest.Must(t, router.Send(zmq4.NewMsgFrom(msg.Frames[0], []byte("reply"))))
		if msg := recv(t, dealer); string(msg.Bytes()) != "reply" || len(msg.Frames) != 1 {
			t.Errorf("got %v", msg)
		}
	}
	if err := router.Send(zmq4.NewMsgFrom([]byte("nobody"), []byte("x"))); !errors.Is(err, zmq4.ErrNoRoute) {
		t.Errorf("to nobody: %v", err)
	}
}

func TestPublishSubscribe(t *testing.T) {
	t.Parallel()
	xpub := open(t, zmq4.NewXPub)
	at := listen(t, xpub, "tcp")
	sub := open(t, zmq4.NewSub)
	ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, "a"))
	ztest.Must(t, sub.Dial(at))
	if msg := recv(t, xpub); string(msg.Bytes()) != "\x01a" {
		t.Errorf("subscription %v", msg)
	}
	ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, "bc"))
	recv(t, xpub)
	if topics := fmt.Sprint(xpub.(zmq4.Topics).Topics(), sub.(zmq4.Topics).Topics()); topics != "[a bc] [a bc]" {
		t.Error(topics)
	}
	for _, topic := range []string{"a1", "b", "bc", "c", "a"} {
		ztest.Must(t, xpub.Send(zmq4.NewMsgString(topic)))
	}
	for _, topic := range []string{"a1", "bc", "a"} {
		if msg := recv(t, sub); string(msg.Bytes()) != topic {
			t.Errorf("got %v, want %s", msg, topic)
		}
	}
	ztest.Must(t, sub.SetOption(zmq4.OptionUnsubscribe, "bc"))
	if msg := recv(t, xpub); string(msg.Bytes()) != "\x00bc" {
		t.Errorf("end of a subscription %v", msg)
	}
}

// TestReconnect ends a server and starts another at its address: subscriptions are sent
// again.
func TestReconnect(t *testing.T) {
	t.Parallel()
	first := open(t, zmq4.NewXPub)
	at := listen(t, first, "ipc")
	sub := open(t, zmq4.NewSub, zmq4.WithReconnect(time.Millisecond, 5*time.Millisecond))
	ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, ""))
	ztest.Must(t, sub.Dial(at))
	recv(t, first)
	first.Close()
	second := open(t, zmq4.NewXPub)
	ztest.Must(t, second.Listen(at))
	recv(t, second)
	ztest.Must(t, second.Send(zmq4.NewMsgString("again")))
	if msg := recv(t, sub); string(msg.Bytes()) != "again" {
		t.Errorf("got %v", msg)
	}
}

// TestLoss returns io.EOF once for a lost peer, and connects again.
func TestLoss(t *testing.T) {
	t.Parallel()
	first := open(t, zmq4.NewPush)
	at := listen(t, first, "ipc")
	pull := open(t, zmq4.NewPull)
	ztest.Must(t, pull.Dial(at))
	first.Close()
	if _, err := pull.Recv(); err != io.EOF {
		t.Errorf("got %v", err)
	}
	second := open(t, zmq4.NewPush)
	ztest.Must(t, second.Listen(at))
	ztest.Must(t, second.Send(zmq4.NewMsgString("again")))
	if msg := recv(t, pull); string(msg.Bytes()) != "again" {
		t.Errorf("got %v", msg)
	}
}

func TestCurve(t *testing.T) {
	t.Parallel()
	server, alice, stranger := curve.GenerateKey(), curve.GenerateKey(), curve.GenerateKey()
	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); ok && key == alice.Public() {
			return zap.Allow("alice")
		}
		return zap.Refuse("not alice")
	})
	secure := zmq4.WithSecurity(zmq4.CurveServer(server, "test", handler))
	events := make(chan sockets.Event, 10)
	// Both directions: the server listens, and the server dials.
	pull := open(t, zmq4.NewPull, secure, zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Failed {
			events <- e
		}
	}))
	push := open(t, zmq4.NewPush, zmq4.WithSecurity(zmq4.CurveClient(alice, server.Public())))
	at := listen(t, pull, "tcp")
	ztest.Must(t, push.Dial(at))
	ztest.Must(t, pull.Dial(listen(t, push, "ipc")))
	for range 2 {
		ztest.Must(t, push.Send(zmq4.NewMsgString("hello")))
		if msg := recv(t, pull); string(msg.Bytes()) != "hello" || msg.From().ID != "alice" || msg.From().Key != alice.Public() {
			t.Errorf("%v from %v", msg, msg.From())
		}
	}
	other := open(t, zmq4.NewPush, zmq4.WithSecurity(zmq4.CurveClient(stranger, server.Public())))
	if err := other.Dial(at); err == nil {
		t.Error("a stranger is connected")
	}
	if e := <-events; e.Err == nil {
		t.Errorf("event %v", e)
	}
}

// TestPushBlocks fills both high-water marks: Send gives up, and its message is not sent.
func TestPushBlocks(t *testing.T) {
	t.Parallel()
	push := open(t, zmq4.NewPush, zmq4.WithHighWaterMarks(5, 5), zmq4.WithTimeout(time.Nanosecond))
	pull := open(t, zmq4.NewPull, zmq4.WithHighWaterMarks(5, 5))
	ztest.Must(t, push.Dial(listen(t, pull, "inproc")))
	sent := 0
	large := make([]byte, 1<<20)
	for ; sent < 1000; sent++ {
		err := push.Send(zmq4.NewMsgFrom(fmt.Append(nil, sent), large))
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		ztest.Must(t, err)
	}
	if sent == 1000 {
		t.Fatal("it never blocks")
	}
	for i := range sent {
		if msg := recv(t, pull); string(msg.Frames[0]) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, msg.Frames[0])
		}
	}
}

func TestAfterClose(t *testing.T) {
	t.Parallel()
	for _, of := range []newSocket{zmq4.NewPair, zmq4.NewSub, zmq4.NewPull, zmq4.NewDealer, zmq4.NewRouter, zmq4.NewReq, zmq4.NewRep, zmq4.NewXSub, zmq4.NewXPub} {
		s := open(t, of)
		got := make(chan error)
		go func() {
			_, err := s.Recv()
			got <- err
		}()
		ztest.Must(t, s.Close())
		if err := <-got; !errors.Is(err, context.Canceled) && s.Type() != zmq4.Req { // a REQ has no peer
			t.Errorf("%s: %v", s.Type(), err)
		}
	}
}

func TestIncompatible(t *testing.T) {
	t.Parallel()
	push, sub := open(t, zmq4.NewPush), open(t, zmq4.NewSub)
	err := sub.Dial(listen(t, push, "tcp"))
	const want = `zmq4: could not open a ZMTP connection: zmq4: could not initialize ZMTP connection: zmq4: peer="PUSH" not compatible with "SUB"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestCanceled makes a socket whose context has ended.
func TestCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	cancel()
	for range 100 {
		s := zmq4.NewPush(ctx)
		if err := s.Send(zmq4.NewMsgString("late")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		s.Close()
	}
}

// TestCancel ends the context of a socket: from then on, Send accepts nothing.
func TestCancel(t *testing.T) {
	t.Parallel()
	for range 100 {
		ctx, cancel := context.WithCancel(ztest.Context(t))
		rep := zmq4.NewRep(ctx)
		cancel()
		if err := rep.Send(zmq4.NewMsgString("late")); !errors.Is(err, context.Canceled) {
			t.Fatalf("Send: %v", err)
		}
		if _, err := rep.Recv(); !errors.Is(err, context.Canceled) {
			t.Fatalf("Recv: %v", err)
		}
		rep.Close()
	}
}
