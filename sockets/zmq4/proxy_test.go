package zmq4_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// proxy runs a proxy until the end of the test.
func proxy(t *testing.T, front, back, capture zmq4.Socket) *zmq4.Proxy {
	t.Helper()
	p := zmq4.NewProxy(ztest.Context(t), front, back, capture)
	ended := make(chan error, 1)
	go func() { ended <- p.Run() }()
	t.Cleanup(func() {
		p.Kill()
		if err := ztest.Receive(t, "the end of the proxy", ended); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestProxyRequests takes requests of several clients to several workers, and the replies to
// those who asked.
func TestProxyRequests(t *testing.T) {
	t.Parallel()
	front, back := open(t, zmq4.NewRouter), open(t, zmq4.NewDealer)
	clients, workers := listen(t, front, "tcp"), listen(t, back, "inproc")
	proxy(t, front, back, nil)
	for range 3 {
		rep := open(t, zmq4.NewRep)
		ztest.Must(t, rep.Dial(workers))
		go func() {
			for {
				msg, err := rep.Recv()
				if err != nil {
					return
				}
				rep.Send(zmq4.NewMsgFrom(append(msg.Frames, []byte("done"))...))
			}
		}()
	}
	done := make(chan error)
	for i := range 5 {
		req := open(t, zmq4.NewReq)
		ztest.Must(t, req.Dial(clients))
		go func() {
			for j := range 50 {
				request := fmt.Sprint(i, " ", j)
				if err := req.Send(zmq4.NewMsgString(request)); err != nil {
					done <- err
					return
				}
				msg, err := req.Recv()
				if err == nil && (len(msg.Frames) != 2 || string(msg.Frames[0]) != request) {
					err = fmt.Errorf("%v is the reply to %s", msg, request)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 5 {
		ztest.Must(t, ztest.Receive(t, "a client", done))
	}
}

// inherits is a socket of a program, which could change the methods.
type inherits struct{ zmq4.Socket }

// TestProxyControl forwards and captures what is pushed, pauses, goes on, and ends. While it
// pauses and after its end, the test takes what arrives at the front itself.
func TestProxyControl(t *testing.T) {
	t.Parallel()
	for name, as := range map[string]func(zmq4.Socket) zmq4.Socket{
		"ours":    func(s zmq4.Socket) zmq4.Socket { return s },
		"wrapped": func(s zmq4.Socket) zmq4.Socket { return inherits{s} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, front, back, out := open(t, zmq4.NewPush), open(t, zmq4.NewPull), open(t, zmq4.NewPush), open(t, zmq4.NewPull)
			capture, copies := open(t, zmq4.NewPush), open(t, zmq4.NewPull)
			ztest.Must(t, in.Dial(listen(t, front, "tcp")), back.Dial(listen(t, out, "ipc")), capture.Dial(listen(t, copies, "inproc")))
			p := zmq4.NewProxy(ztest.Context(t), as(front), as(back), as(capture))
			ended := make(chan error, 1)
			go func() { ended <- p.Run() }()
			next := 0
			send := func(n int) {
				t.Helper()
				for range n {
					ztest.Must(t, in.Send(zmq4.NewMsgFrom(fmt.Append(nil, next), []byte("two"))))
					next++
				}
			}
			arrives := func(at zmq4.Socket, from, to int) {
				t.Helper()
				for i := from; i < to; i++ {
					if msg := recv(t, at); len(msg.Frames) != 2 || string(msg.Frames[0]) != fmt.Sprint(i) {
						t.Fatalf("got %v, want message %d", msg, i)
					}
				}
			}
			send(100)
			arrives(out, 0, 100)
			arrives(copies, 0, 100)
			for range 3 {
				p.Pause()
				p.Pause()
				begin := next
				send(100)
				if name == "ours" { // the other kind has a Recv in progress
					arrives(front, begin, next)
					begin = next
				}
				p.Stats()
				p.Resume()
				p.Resume()
				send(100)
				arrives(out, begin, next)
				arrives(copies, begin, next)
			}
			p.Kill()
			p.Kill()
			if err := ztest.Receive(t, "the end of Run", ended); err != nil {
				t.Errorf("after Kill: %v", err)
			}
			p.Pause()
			p.Resume()
			if name == "ours" {
				begin := next
				send(100)
				arrives(front, begin, next)
			}
		})
	}
}

// TestProxyPausesUnderLoad pauses while messages keep coming, and takes some of them from the
// front itself. The others arrive in order behind it.
func TestProxyPausesUnderLoad(t *testing.T) {
	t.Parallel()
	in, front, back, out := open(t, zmq4.NewPush), open(t, zmq4.NewPull), open(t, zmq4.NewPush), open(t, zmq4.NewPull)
	ztest.Must(t, in.Dial(listen(t, front, "inproc")), back.Dial(listen(t, out, "tcp")))
	p := proxy(t, front, back, nil)
	const rounds, taken = 200, 5
	stop, sent := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				in.Send(zmq4.NewMsgString("end"))
				sent <- n
				return
			default:
				if in.Send(zmq4.NewMsg(fmt.Append(nil, n))) != nil {
					return
				}
			}
		}
	}()
	arrived := make(chan int, 1)
	go func() {
		last, n := "", 0
		for ; ; n++ {
			msg, err := out.Recv()
			if err != nil || string(msg.Bytes()) == "end" {
				break
			}
			if now := string(msg.Bytes()); len(now) < len(last) || len(now) == len(last) && now <= last {
				t.Errorf("message %s behind %s", now, last)
			}
			last = string(msg.Bytes())
		}
		arrived <- n
	}()
	for range rounds {
		p.Pause()
		for range taken {
			recv(t, front)
		}
		p.Resume()
	}
	close(stop)
	n := ztest.Receive(t, "the end of sending", sent)
	if got := ztest.Receive(t, "the end of the messages", arrived); got != n-rounds*taken {
		t.Errorf("%d messages arrived of %d", got, n-rounds*taken)
	}
}

// TestProxyEnds ends with its context, and when a socket is closed.
func TestProxyEnds(t *testing.T) {
	t.Parallel()
	front, back := open(t, zmq4.NewRouter), open(t, zmq4.NewDealer)
	ctx, cancel := context.WithCancel(t.Context())
	p := zmq4.NewProxy(ctx, front, back, nil)
	cancel()
	if err := p.Run(); err != context.Canceled || p.Run() != err {
		t.Errorf("after the end of the context: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if err := zmq4.NewProxy(ctx, front, back, nil).Run(); err != context.DeadlineExceeded {
		t.Errorf("after the deadline: %v", err)
	}
	p = zmq4.NewProxy(t.Context(), front, inherits{back}, nil)
	p.Pause()
	p.Resume()
	back.Close()
	if err := p.Run(); err != context.Canceled {
		t.Errorf("after Close: %v", err)
	}
	p = zmq4.NewProxy(nil, open(t, zmq4.NewPush), nil, nil) //lint:ignore SA1012 go-zeromq's programs may do it
	p.Kill()
	if err := p.Run(); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}

// TestProxySubscriptions takes subscriptions to publishers and messages to subscribers, while both
// come and go.
func TestProxySubscriptions(t *testing.T) {
	t.Parallel()
	front, back := open(t, zmq4.NewXSub, zmq4.WithReconnect(time.Millisecond, 5*time.Millisecond)), open(t, zmq4.NewXPub)
	publisher := open(t, zmq4.NewXPub)
	upstream, downstream := listen(t, publisher, "ipc"), listen(t, back, "tcp")
	ztest.Must(t, front.Dial(upstream))
	proxy(t, front, back, nil)
	subscribe := func(topic string) zmq4.Socket {
		sub := open(t, zmq4.NewSub)
		ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, topic), sub.Dial(downstream))
		if msg := recv(t, publisher); string(msg.Bytes()) != "\x01"+topic {
			t.Fatalf("subscription %v, want %s", msg, topic)
		}
		return sub
	}
	a, b := subscribe("a"), subscribe("b")
	for _, topic := range []string{"c", "b1", "a1"} {
		ztest.Must(t, publisher.Send(zmq4.NewMsgString(topic)))
	}
	if one, two := recv(t, a), recv(t, b); string(one.Bytes()) != "a1" || string(two.Bytes()) != "b1" {
		t.Errorf("%v and %v", one, two)
	}
	ztest.Must(t, a.SetOption(zmq4.OptionUnsubscribe, "a"))
	if msg := recv(t, publisher); string(msg.Bytes()) != "\x00a" {
		t.Errorf("end of a subscription: %v", msg)
	}
	// The publisher leaves, and another comes: it learns what is still subscribed to.
	ztest.Must(t, publisher.Close())
	publisher = open(t, zmq4.NewXPub)
	ztest.Must(t, publisher.Listen(upstream))
	if msg := recv(t, publisher); string(msg.Bytes()) != "\x01b" {
		t.Errorf("subscription %v", msg)
	}
	ztest.Must(t, publisher.Send(zmq4.NewMsgString("b2")))
	if msg := recv(t, b); string(msg.Bytes()) != "b2" {
		t.Errorf("got %v", msg)
	}
	// So does a subscriber: its subscription ends.
	ztest.Must(t, b.Close())
	if msg := recv(t, publisher); string(msg.Bytes()) != "\x00b" {
		t.Errorf("end of a subscription: %v", msg)
	}
}

// TestProxyLoss forwards nothing for the error of a peer that has gone.
func TestProxyLoss(t *testing.T) {
	t.Parallel()
	front, back, out := open(t, zmq4.NewSub), open(t, zmq4.NewPush), open(t, zmq4.NewPull)
	first := open(t, zmq4.NewXPub)
	at := listen(t, first, "ipc")
	ztest.Must(t, front.SetOption(zmq4.OptionSubscribe, ""), front.Dial(at), back.Dial(listen(t, out, "tcp")))
	proxy(t, front, back, nil)
	recv(t, first)
	ztest.Must(t, first.Close())
	second := open(t, zmq4.NewXPub)
	ztest.Must(t, second.Listen(at))
	recv(t, second)
	ztest.Must(t, second.Send(zmq4.NewMsgString("again")))
	if msg := recv(t, out); string(msg.Bytes()) != "again" {
		t.Errorf("got %v", msg)
	}
}

// A proxy between clients that ask and workers that answer, which need not know each other.
func ExampleNewProxy() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	front, back := zmq4.NewRouter(ctx), zmq4.NewDealer(ctx)
	if err := errors.Join(front.Listen("inproc://clients"), back.Listen("inproc://workers")); err != nil {
		log.Fatal(err)
	}
	proxy := zmq4.NewProxy(ctx, front, back, nil)

	worker, client := zmq4.NewRep(ctx), zmq4.NewReq(ctx)
	if err := errors.Join(worker.Dial("inproc://workers"), client.Dial("inproc://clients")); err != nil {
		log.Fatal(err)
	}
	if err := client.Send(zmq4.NewMsgString("hello")); err != nil {
		log.Fatal(err)
	}
	request, err := worker.Recv()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the worker got", request)

	proxy.Kill()
	fmt.Println("the proxy ended:", proxy.Run())
	// Output:
	// the worker got Msg{Frames:{"hello"}}
	// the proxy ended: <nil>
}
