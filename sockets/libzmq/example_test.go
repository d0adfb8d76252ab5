package libzmq_test

import (
	"context"
	"fmt"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

// A REP server admits one client, and learns its name.
func Example() {
	alice, serverKeys := curve.GenerateKey(), curve.GenerateKey()
	zctx, err := zmq4.NewContext()
	check(err)

	// The handler decides. Most programs use a handler from package policy.
	auth, err := libzmq.Start(zctx, zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); ok && key == alice.Public() {
			return zap.Allow("alice")
		}
		return zap.Refuse("not alice")
	}), nil)
	check(err)

	server, err := zctx.NewSocket(zmq4.REP)
	check(err)
	check(libzmq.SetServer(server, serverKeys, "payments"))
	check(server.Bind("tcp://127.0.0.1:*"))
	endpoint, err := server.GetLastEndpoint()
	check(err)

	client, err := zctx.NewSocket(zmq4.REQ)
	check(err)
	check(libzmq.SetClient(client, alice, serverKeys.Public()))
	check(client.Connect(endpoint))
	_, err = client.Send("good morning", 0)
	check(err)

	text, properties, err := server.RecvWithMetadata(0, "User-Id")
	check(err)
	fmt.Println(properties["User-Id"], "says:", text)

	// Close the sockets first: without a handler, the server admits no client.
	client.Close()
	server.Close()
	auth.Close()
	check(zctx.Term())
	// Output: alice says: good morning
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
