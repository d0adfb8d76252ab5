package zmq4_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/zcurve/zcurve/sockets/zmq4"
)

// must ends an example that cannot go on.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A PUSH sends to a PULL.
func Example() {
	ctx := context.Background()
	pull := zmq4.NewPull(ctx)
	defer pull.Close()
	must(pull.Listen("tcp://127.0.0.1:0"))

	push := zmq4.NewPush(ctx)
	defer push.Close()
	must(push.Dial("tcp://" + pull.Addr().String()))
	must(push.Send(zmq4.NewMsgFromString([]string{"hello", "world"})))

	msg, err := pull.Recv()
	must(err)
	fmt.Println(msg)
	// Output: Msg{Frames:{"hello", "world"}}
}

// With several workers, each message goes to one of them, in turn.
func ExampleNewPush() {
	ctx := context.Background()
	push := zmq4.NewPush(ctx)
	defer push.Close()
	var workers [2]zmq4.Socket
	for i := range workers {
		workers[i] = zmq4.NewPull(ctx)
		defer workers[i].Close()
		at := fmt.Sprint("inproc://worker-", i)
		must(workers[i].Listen(at))
		must(push.Dial(at))
	}
	for _, job := range []string{"wash", "dry", "fold", "iron"} {
		must(push.Send(zmq4.NewMsgString(job)))
	}
	for i, worker := range workers {
		for range 2 {
			msg, err := worker.Recv()
			must(err)
			fmt.Printf("worker %d: %s\n", i, msg.Bytes())
		}
	}
	// Output:
	// worker 0: wash
	// worker 0: fold
	// worker 1: dry
	// worker 1: iron
}

// A REP answers each request of a REQ.
func ExampleNewReq() {
	ctx := context.Background()
	rep := zmq4.NewRep(ctx)
	defer rep.Close()
	must(rep.Listen("inproc://greeter"))
	go func() {
		for {
			request, err := rep.Recv()
			if err != nil {
				return // the socket is closed
			}
			must(rep.Send(zmq4.NewMsgString("hello " + string(request.Bytes()))))
		}
	}()

	req := zmq4.NewReq(ctx)
	defer req.Close()
	must(req.Dial("inproc://greeter"))
	for _, name := range []string{"alice", "bob"} {
		must(req.Send(zmq4.NewMsgString(name)))
		reply, err := req.Recv()
		must(err)
		fmt.Printf("%s\n", reply.Bytes())
	}
	// Output:
	// hello alice
	// hello bob
}

// A ROUTER talks to each of its DEALERs by the identity in frame 0.
func ExampleNewRouter() {
	ctx := context.Background()
	router := zmq4.NewRouter(ctx)
	defer router.Close()
	must(router.Listen("inproc://router"))

	dealer := zmq4.NewDealer(ctx, zmq4.WithID(zmq4.SocketIdentity("dealer-1")))
	defer dealer.Close()
	must(dealer.Dial("inproc://router"))
	for _, question := range []string{"first", "second"} { // without waiting for a reply
		must(dealer.Send(zmq4.NewMsgString(question)))
	}
	for range 2 {
		msg, err := router.Recv()
		must(err)
		fmt.Println("router:", msg)
		must(router.Send(zmq4.NewMsgFrom(msg.Frames[0], []byte("reply to "+string(msg.Frames[1])))))
	}
	for range 2 {
		msg, err := dealer.Recv()
		must(err)
		fmt.Println("dealer:", msg)
	}
	// Output:
	// router: Msg{Frames:{"dealer-1", "first"}}
	// router: Msg{Frames:{"dealer-1", "second"}}
	// dealer: Msg{Frames:{"reply to first"}}
	// dealer: Msg{Frames:{"reply to second"}}
}

// A SUB receives the messages that begin with a topic.
func ExampleNewSub() {
	ctx := context.Background()
	pub := zmq4.NewPub(ctx)
	defer pub.Close()
	must(pub.Listen("inproc://weather"))

	sub := zmq4.NewSub(ctx)
	defer sub.Close()
	must(sub.SetOption(zmq4.OptionSubscribe, "berlin"))
	must(sub.Dial("inproc://weather"))
	// A PUB drops what nobody has subscribed to yet.
	for len(pub.(zmq4.Topics).Topics()) == 0 {
		time.Sleep(time.Millisecond)
	}
	for _, report := range []string{"paris 21", "berlin 17", "berlin 18"} {
		must(pub.Send(zmq4.NewMsgString(report)))
	}
	for range 2 {
		msg, err := sub.Recv()
		must(err)
		fmt.Printf("%s\n", msg.Bytes())
	}
	// Output:
	// berlin 17
	// berlin 18
}

// An XPUB receives the subscriptions.
func ExampleNewXPub() {
	ctx := context.Background()
	xpub := zmq4.NewXPub(ctx)
	defer xpub.Close()
	must(xpub.Listen("inproc://last-value"))
	sub := zmq4.NewSub(ctx)
	defer sub.Close()
	must(sub.SetOption(zmq4.OptionSubscribe, "berlin"))
	must(sub.Dial("inproc://last-value"))

	subscription, err := xpub.Recv()
	must(err)
	fmt.Println(subscription)
	must(xpub.Send(zmq4.NewMsgString("berlin 17")))
	msg, err := sub.Recv()
	must(err)
	fmt.Println(msg)
	// Output:
	// Msg{Frames:{"\x01berlin"}}
	// Msg{Frames:{"berlin 17"}}
}

// A PAIR has one peer, for example another goroutine.
func ExampleNewPair() {
	ctx := context.Background()
	ours, theirs := zmq4.NewPair(ctx), zmq4.NewPair(ctx)
	defer ours.Close()
	defer theirs.Close()
	must(ours.Listen("inproc://pair"))
	must(theirs.Dial("inproc://pair"))
	must(ours.Send(zmq4.NewMsgString("ping")))
	msg, err := theirs.Recv()
	must(err)
	must(theirs.Send(zmq4.NewMsgString("pong")))
	fmt.Println(msg)
	msg, err = ours.Recv()
	must(err)
	fmt.Println(msg)
	// Output:
	// Msg{Frames:{"ping"}}
	// Msg{Frames:{"pong"}}
}

// RecvContext waits for a time that the program chooses.
func ExampleRecvContext() {
	pull := zmq4.NewPull(context.Background())
	defer pull.Close()
	must(pull.Listen("inproc://silence"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := zmq4.RecvContext(ctx, pull)
	fmt.Println(err)
	_, err = zmq4.TryRecv(pull)
	fmt.Println(err)
	// Output:
	// context deadline exceeded
	// zmq4: must wait
}
