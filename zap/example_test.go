package zap_test

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/zap"
)

// A handler admits one CURVE key.
func ExampleHandlerFunc() {
	alice := [32]byte{1, 2, 3}
	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); ok && key == alice {
			return zap.Allow("alice")
		}
		return zap.Refuse("not alice")
	})

	stranger := [32]byte{4, 5, 6}
	for _, key := range [][32]byte{alice, stranger} {
		reply, err := zap.Ask(context.Background(), handler, &zap.Request{
			Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{key[:]},
		})
		fmt.Println(reply.Status, reply.Text, reply.UserID, err)
	}
	// Output:
	// 200 OK alice <nil>
	// 400 not alice  <nil>
}

// A handler that wraps another one refuses an address and passes on all other requests.
func ExampleHandler() {
	inner := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("alice") })
	outer := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		if req.Address == "192.0.2.66" {
			return zap.Refuse("this address is blocked")
		}
		return inner.Handle(ctx, req)
	})

	for _, address := range []string{"192.0.2.1", "192.0.2.66"} {
		reply, _ := zap.Ask(context.Background(), outer, &zap.Request{Address: address, Mechanism: zap.Null})
		fmt.Println(address, reply.Status, reply.Text)
	}
	// Output:
	// 192.0.2.1 200 OK
	// 192.0.2.66 400 this address is blocked
}

// Answer takes the frames of a request, as libzmq sends them, and returns the frames of
// the reply.
func ExampleAnswer() {
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Refuse("closed for maintenance") })
	request := [][]byte{nil, []byte("1.0"), []byte("7"), []byte("payments"), []byte("192.0.2.1"), nil, []byte("NULL")}
	reply, err := zap.Answer(context.Background(), handler, "", request)
	fmt.Printf("%q %v\n", reply, err)
	// Output: ["" "1.0" "7" "400" "closed for maintenance" "" ""] <nil>
}
