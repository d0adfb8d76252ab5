package zmq4_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// These tests show what docs/sockets.md says that differs from go-zeromq.

// TestSendWithoutPeer gives up without a peer, and doesn't send the message later.
func TestSendWithoutPeer(t *testing.T) {
	t.Parallel()
	for _, of := range []newSocket{zmq4.NewPush, zmq4.NewDealer, zmq4.NewPair} {
		s := open(t, of, zmq4.WithTimeout(time.Millisecond))
		if err := s.Send(zmq4.NewMsgString("first")); err != context.DeadlineExceeded {
			t.Errorf("%s: %v", s.Type(), err)
		}
		peer := map[zmq4.SocketType]newSocket{zmq4.Push: zmq4.NewPull, zmq4.Dealer: zmq4.NewDealer, zmq4.Pair: zmq4.NewPair}[s.Type()]
		receiver := open(t, peer)
		ztest.Must(t, s.Dial(listen(t, receiver, "tcp")), s.Send(zmq4.NewMsgString("second")))
		if msg := recv(t, receiver); string(msg.Bytes()) != "second" {
			t.Errorf("%s sent %v", s.Type(), msg)
		}
	}
}

// TestSendAfterClose returns an error.
func TestSendAfterClose(t *testing.T) {
	t.Parallel()
	for _, of := range allSockets {
		s := open(t, of)
		ztest.Must(t, s.Close(), s.Close())
		if err := s.Send(zmq4.NewMsgFromString([]string{"a", "b"})); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", s.Type(), err)
		}
	}
}

// TestNoFrames sends a message without frames.
func TestNoFrames(t *testing.T) {
	t.Parallel()
	for _, of := range allSockets {
		s := open(t, of)
		if err := s.Send(zmq4.Msg{}); err == nil {
			t.Errorf("%s sends no frames", s.Type())
		}
	}
}

var allSockets = []newSocket{zmq4.NewPair, zmq4.NewPub, zmq4.NewSub, zmq4.NewReq, zmq4.NewRep, zmq4.NewDealer, zmq4.NewRouter,
	zmq4.NewPull, zmq4.NewPush, zmq4.NewXPub, zmq4.NewXSub}

// TestSendCopies changes a message after Send.
func TestSendCopies(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "inproc"} {
		push, pull := open(t, zmq4.NewPush, zmq4.WithReconnect(0, 0)), open(t, zmq4.NewPull)
		ztest.Must(t, push.Dial(listen(t, pull, transport)))
		frame := []byte("before")
		ztest.Must(t, push.Send(zmq4.NewMsg(frame)))
		copy(frame, "after.")
		if msg := recv(t, pull); string(msg.Bytes()) != "before" {
			t.Errorf("%s: got %v", transport, msg)
		}
	}
}

// TestListenerLosesPeer loses a peer of a socket that listens, which goes on.
func TestListenerLosesPeer(t *testing.T) {
	t.Parallel()
	lost := make(chan sockets.Event, 1)
	pull := open(t, zmq4.NewPull, zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Lost {
			lost <- e
		}
	}))
	at := listen(t, pull, "tcp")
	for _, name := range []string{"first", "second"} {
		push := open(t, zmq4.NewPush)
		ztest.Must(t, push.Dial(at), push.Send(zmq4.NewMsgString(name)))
		if msg := recv(t, pull); string(msg.Bytes()) != name {
			t.Errorf("got %v", msg)
		}
		ztest.Must(t, push.Close())
		if e := ztest.Receive(t, "the loss", lost); e.Err == nil || e.Peer == "" {
			t.Errorf("event %v", e)
		}
		if msg, err := zmq4.TryRecv(pull); err != zmq4.ErrAgain {
			t.Errorf("after a loss: %v, %v", msg, err)
		}
	}
}

// TestCloseAllListeners listens twice: Close, and the end of the context, close both.
func TestCloseAllListeners(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"Close", "context"} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		pull := zmq4.NewPull(ctx)
		defer pull.Close()
		endpoints := []string{listen(t, pull, "tcp"), listen(t, pull, "tcp")}
		if way == "context" {
			cancel()
		} else {
			pull.Close()
		}
		for _, at := range endpoints {
			ztest.Wait(t, "the end of "+at, func() bool {
				push := zmq4.NewPush(context.Background(), zmq4.WithDialerMaxRetries(0), zmq4.WithLogger(nil))
				defer push.Close()
				return push.Dial(at) != nil
			})
		}
	}
}

// TestSecondPeer connects a second peer to a PAIR, and a second one with an identity to a
// ROUTER: both are refused, and the first peer stays.
func TestSecondPeer(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]newSocket{{zmq4.NewPair, zmq4.NewPair}, {zmq4.NewRouter, zmq4.NewDealer}} {
		failed := make(chan sockets.Event, 100)
		s := open(t, pair[0], zmq4.WithEvents(func(e sockets.Event) {
			if e.Kind == sockets.Failed {
				failed <- e
			}
		}))
		at := listen(t, s, "tcp")
		id := zmq4.WithID(zmq4.SocketIdentity("id"))
		first, second := open(t, pair[1], id), open(t, pair[1], id, zmq4.WithDialerRetry(time.Millisecond))
		ztest.Must(t, first.Dial(at), first.Send(zmq4.NewMsgString("first")))
		msg := recv(t, s)
		ztest.Must(t, second.Dial(at))
		if e := ztest.Receive(t, "the refusal", failed); e.Err == nil {
			t.Errorf("event %v", e)
		}
		if _, err := second.Recv(); err != io.EOF {
			t.Errorf("second %s: %v", second.Type(), err)
		}
		ztest.Must(t, s.Send(msg))
		if msg := recv(t, first); string(msg.Bytes()) != "first" {
			t.Errorf("first %s: %v", first.Type(), msg)
		}
	}
}

// TestSubscriptionsAreCounted subscribes twice and unsubscribes once.
func TestSubscriptionsAreCounted(t *testing.T) {
	t.Parallel()
	for _, of := range []newSocket{zmq4.NewSub, zmq4.NewXSub} {
		xpub, sub := open(t, zmq4.NewXPub), open(t, of)
		ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, "a"), sub.SetOption(zmq4.OptionSubscribe, "a"),
			sub.SetOption(zmq4.OptionUnsubscribe, "a"), sub.Dial(listen(t, xpub, "tcp")))
		if msg := recv(t, xpub); string(msg.Bytes()) != "\x01a" {
			t.Errorf("got %v", msg)
		}
		ztest.Must(t, sub.SetOption(zmq4.OptionUnsubscribe, "a"))
		if msg := recv(t, xpub); string(msg.Bytes()) != "\x00a" {
			t.Errorf("got %v", msg)
		}
	}
}

// TestOptionTypes sets options to values of wrong types, and others.
func TestOptionTypes(t *testing.T) {
	t.Parallel()
	sub, pub, pull := open(t, zmq4.NewSub), open(t, zmq4.NewPub), open(t, zmq4.NewPull)
	for i, err := range []error{
		sub.SetOption(zmq4.OptionSubscribe, []byte("a")), sub.SetOption(zmq4.OptionSubscribe, nil),
		pub.SetOption(zmq4.OptionHWM, "10"), pub.SetOption(zmq4.OptionHWM, -1), pub.SetOption("other", 1), sub.SetOption("other", 1),
		pull.SetOption(zmq4.OptionSubscribe, "a"),
	} {
		if !errors.Is(err, zmq4.ErrBadProperty) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := pub.GetOption(zmq4.OptionHWM); err != zmq4.ErrBadProperty {
		t.Errorf("an option that was never set: %v", err)
	}
	ztest.Must(t, pub.SetOption(zmq4.OptionHWM, 10), pull.SetOption("other", 1))
	for _, test := range []struct {
		socket zmq4.Socket
		name   string
		value  int
	}{{pub, zmq4.OptionHWM, 10}, {pull, "other", 1}} {
		if value, err := test.socket.GetOption(test.name); err != nil || value != test.value {
			t.Errorf("%s: %v, %v", test.name, value, err)
		}
	}
}

// TestREPDelimiter sends requests with several empty frames.
func TestREPDelimiter(t *testing.T) {
	t.Parallel()
	req, rep := open(t, zmq4.NewReq), open(t, zmq4.NewRep)
	ztest.Must(t, req.Dial(listen(t, rep, "tcp")))
	for _, frames := range [][]string{{"a", "", "b"}, {""}, {"a", ""}, {"", "", ""}} {
		ztest.Must(t, req.Send(zmq4.NewMsgFromString(frames)))
		request := recv(t, rep)
		ztest.Must(t, rep.Send(request))
		want := fmt.Sprint(zmq4.NewMsgFromString(frames))
		if reply := recv(t, req); request.String() != want || reply.String() != want {
			t.Errorf("%s: request %v, reply %v", want, request, reply)
		}
	}
}
