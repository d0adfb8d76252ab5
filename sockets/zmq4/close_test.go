package zmq4_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// TestCloseSends closes a socket while messages wait in its queue: all arrive.
func TestCloseSends(t *testing.T) {
	t.Parallel()
	for _, types := range [][2]zmq4.SocketType{
		{zmq4.Push, zmq4.Pull}, {zmq4.Dealer, zmq4.Dealer}, {zmq4.Pair, zmq4.Pair}, {zmq4.Router, zmq4.Dealer}, {zmq4.Pub, zmq4.Sub}, {zmq4.XPub, zmq4.XSub},
	} {
		for _, transport := range []string{"tcp", "ipc", "inproc"} {
			t.Run(fmt.Sprintf("%s-%s/%s", types[0], types[1], transport), func(t *testing.T) {
				t.Parallel()
				n := 100_000
				if testing.Short() || ztest.Race {
					n = 5000
				}
				s := open(t, constructors[types[0]], zmq4.WithHighWaterMarks(0, 0), zmq4.WithLinger(-1))
				r := open(t, constructors[types[1]], zmq4.WithHighWaterMarks(0, 100), zmq4.WithID([]byte("peer")))
				subscribe(t, r)
				ztest.Must(t, r.Dial(listen(t, s, transport)))
				switch s.Type() {
				case zmq4.Pub, zmq4.XPub:
					ztest.Wait(t, "the subscription", func() bool { return len(s.(zmq4.Topics).Topics()) > 0 })
				case zmq4.Router:
					ztest.Must(t, r.Send(zmq4.NewMsgString("hello")))
					recv(t, s)
				}
				before := envelope(types[0], types[1], "peer")
				for i := range n {
					ztest.Must(t, s.Send(zmq4.Msg{Frames: append(before[:len(before):len(before)], fmt.Append(nil, i))}))
				}
				closed := make(chan struct{})
				go func() {
					s.Close()
					close(closed)
				}()
				for i := range n {
					if msg := recv(t, r); string(msg.Bytes()) != fmt.Sprint(i) {
						t.Fatalf("message %d is %v", i, msg)
					}
				}
				ztest.Receive(t, "the end of Close", closed)
			})
		}
	}
}

// TestLinger closes sockets whose messages can't be sent: Close waits no longer than
// WithLinger allows, and sends to a peer that appears in that time.
func TestLinger(t *testing.T) {
	t.Parallel()
	absent := "ipc://" + filepath.Join(t.TempDir(), "absent")
	for _, linger := range []time.Duration{0, time.Nanosecond, 10 * time.Millisecond} {
		push := open(t, zmq4.NewPush, zmq4.WithReconnect(0, 0), zmq4.WithLinger(linger))
		ztest.Must(t, push.Dial(absent), push.Send(zmq4.NewMsgString("to nobody")), push.Close())
		full, _ := stuck(t, zmq4.Push, zmq4.Pull, zmq4.WithLinger(linger))
		for zmq4.TrySend(full, zmq4.NewMsg(bulky(0))) == nil {
		}
		ztest.Must(t, full.Close())
	}
	push := open(t, zmq4.NewPush, zmq4.WithReconnect(0, 0), zmq4.WithLinger(-1))
	ztest.Must(t, push.Dial(absent), push.Send(zmq4.NewMsgString("hello")))
	closed := make(chan struct{})
	go func() {
		push.Close()
		close(closed)
	}()
	ztest.Wait(t, "the beginning of Close", func() bool { return zmq4.TrySend(push, zmq4.NewMsgString("late")) != nil })
	pull := open(t, zmq4.NewPull)
	ztest.Must(t, pull.Listen(absent))
	if msg := recv(t, pull); string(msg.Bytes()) != "hello" {
		t.Errorf("got %v", msg)
	}
	ztest.Receive(t, "the end of Close", closed)
}

// TestRetriesForEver dials a peer that isn't there: the attempts don't end, and what was
// sent before arrives in order.
func TestRetriesForEver(t *testing.T) {
	t.Parallel()
	failed := make(chan sockets.Event, 1000)
	push := open(t, zmq4.NewPush, zmq4.WithReconnect(time.Microsecond, time.Millisecond), zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Failed {
			failed <- e
		}
	}))
	at := "ipc://" + filepath.Join(t.TempDir(), "late")
	ztest.Must(t, push.Dial(at))
	for i := range 100 {
		ztest.Must(t, push.Send(zmq4.NewMsgString(fmt.Sprint(i))))
	}
	for range 30 {
		if e := ztest.Receive(t, "a failed attempt", failed); e.Endpoint != at || e.Err == nil || e.Retry <= 0 || e.Retry > time.Millisecond {
			t.Errorf("event %v, again after %v", e, e.Retry)
		}
	}
	pull := open(t, zmq4.NewPull)
	ztest.Must(t, pull.Listen(at))
	for i := range 100 {
		if msg := recv(t, pull); string(msg.Bytes()) != fmt.Sprint(i) {
			t.Fatalf("message %d is %v", i, msg)
		}
	}
}

// TestQueueOutlivesPeer sends while the peer is gone: the queue waits for the next one.
func TestQueueOutlivesPeer(t *testing.T) {
	t.Parallel()
	lost := make(chan struct{}, 1)
	push := open(t, zmq4.NewPush, zmq4.WithReconnect(0, time.Millisecond), zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Lost {
			lost <- struct{}{}
		}
	}))
	first := open(t, zmq4.NewPull)
	at := listen(t, first, "ipc")
	ztest.Must(t, push.Dial(at), push.Send(zmq4.NewMsgString("one")))
	recv(t, first)
	first.Close()
	ztest.Receive(t, "the loss of the peer", lost)
	ztest.Must(t, push.Send(zmq4.NewMsgString("two")))
	second := open(t, zmq4.NewPull)
	ztest.Must(t, second.Listen(at))
	if msg := recv(t, second); string(msg.Bytes()) != "two" {
		t.Errorf("got %v", msg)
	}
}

// TestPublisherKeepsQueue publishes while a subscriber that was dialed is gone: the messages
// wait for it, but not for another user.
func TestPublisherKeepsQueue(t *testing.T) {
	t.Parallel()
	server, alice, bob := curve.GenerateKey(), curve.GenerateKey(), curve.GenerateKey()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	for _, of := range []newSocket{zmq4.NewPub, zmq4.NewXPub} {
		at := "ipc://" + filepath.Join(t.TempDir(), "s")
		lost, losses := eventsOf(sockets.Lost)
		pub := open(t, of, lost, zmq4.WithLinger(0), zmq4.WithReconnect(0, time.Millisecond), zmq4.WithSecurity(zmq4.CurveServer(server, "test", handler)))
		ztest.Must(t, pub.Dial(at))
		for i, key := range []curve.SecretKey{alice, alice, bob} {
			sub := open(t, zmq4.NewSub, zmq4.WithSecurity(zmq4.CurveClient(key, server.Public())))
			ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, "t"), sub.Listen(at))
			if i != 1 {
				// bob has nothing that was sent for alice.
				sent := make(chan struct{})
				arrived := make(chan struct{})
				go func() {
					defer close(sent)
					for {
						pub.Send(zmq4.NewMsgString("t: now"))
						select {
						case <-arrived:
							return
						case <-time.After(time.Millisecond):
						}
					}
				}()
				wantMsg(t, sub, "t: now")
				close(arrived)
				<-sent
			} else {
				for n := 0; n < 10; {
					switch text := string(recv(t, sub).Bytes()); text {
					case fmt.Sprint("t: later ", n):
						n++
					case "t: now": // was still in the queue
					default:
						t.Fatalf("got %q, not message %d", text, n)
					}
				}
			}
			sub.Close()
			ztest.Receive(t, "the loss of the peer", losses)
			for n := range 10 {
				ztest.Must(t, pub.Send(zmq4.NewMsgString(fmt.Sprint("t: later ", n))), pub.Send(zmq4.NewMsgString("x")))
			}
		}
	}
}
