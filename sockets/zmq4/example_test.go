package zmq4_test

import (
	"context"
	"fmt"
	"log"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// A PUSH sends to a PULL, which knows who sent each message.
func Example() {
	ctx := context.Background()
	server, alice := curve.GenerateKey(), curve.GenerateKey()
	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); ok && key == alice.Public() {
			return zap.Allow("alice")
		}
		return zap.Refuse("not alice")
	})

	pull := zmq4.NewPull(ctx, zmq4.WithSecurity(zmq4.CurveServer(server, "payments", handler)))
	defer pull.Close()
	if err := pull.Listen("tcp://127.0.0.1:*"); err != nil {
		log.Fatal(err)
	}

	push := zmq4.NewPush(ctx, zmq4.WithSecurity(zmq4.CurveClient(alice, server.Public())))
	defer push.Close()
	if err := push.Dial("tcp://" + pull.Addr().String()); err != nil {
		log.Fatal(err)
	}
	if err := push.Send(zmq4.NewMsgString("hello")); err != nil {
		log.Fatal(err)
	}

	msg, err := pull.Recv()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s says %s\n", msg.From().ID, msg.Bytes())
	// Output: alice says hello
}
