package remote_test

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// A ZAP server decides; a service in another process asks it.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := remote.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{Mechanism: zap.Null})
	if err != nil {
		fmt.Println(err)
		return
	}
	decide := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if req.Address == "192.0.2.1" {
			return zap.Allow("billing")
		}
		return zap.Refuse("address not allowed")
	})
	served := make(chan error, 1)
	go func() { served <- remote.Serve(ctx, ln, decide, nil) }()

	handler, err := remote.NewHandler(remote.Options{}, ln.Endpoint())
	if err != nil {
		fmt.Println(err)
		return
	}
	reply := handler.Handle(ctx, &zap.Request{Mechanism: zap.Null, Address: "192.0.2.1"})
	fmt.Println(reply.Status, reply.UserID)
	reply = handler.Handle(ctx, &zap.Request{Mechanism: zap.Null, Address: "198.51.100.1"})
	fmt.Println(reply.Status, reply.Text)

	handler.Close()
	cancel()
	<-served
	// Output:
	// 200 billing
	// 400 address not allowed
}
