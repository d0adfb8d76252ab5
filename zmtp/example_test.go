package zmtp_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// A server lets one key in. Its client asks and is answered; a stranger is told
// that it is refused.
func Example() {
	ctx := context.Background()
	serverKeys, aliceKeys := curve.GenerateKey(), curve.GenerateKey()

	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{
		SocketType: "REP",
		Mechanism:  zap.Curve,
		Key:        serverKeys,
		Handler: zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
			if key, ok := req.CurveKey(); ok && key == aliceKeys.Public() {
				return zap.Reply{Status: zap.StatusOK, UserID: "alice"}
			}
			return zap.Refuse("unknown key")
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()

	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := ln.Accept(ctx)
		if err != nil {
			return
		}
		defer conn.Close()
		request, err := conn.Recv(ctx) // the empty delimiter of REQ and REP, then the message
		if err != nil {
			return
		}
		conn.Send(ctx, nil, []byte("hello "+conn.User().ID+", you said "+string(request[1])))
		conn.Recv(ctx) // until the client has read it and leaves
	}()

	dial := func(keys curve.SecretKey) (*zmtp.Conn, error) {
		return zmtp.Dial(ctx, ln.Endpoint(), zmtp.Config{
			SocketType: "REQ",
			Mechanism:  zap.Curve,
			Key:        keys,
			ServerKey:  serverKeys.Public(),
		})
	}
	alice, err := dial(aliceKeys)
	if err != nil {
		fmt.Println(err)
		return
	}
	alice.Send(ctx, nil, []byte("good morning"))
	reply, err := alice.Recv(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", reply[1])
	alice.Close()
	<-served

	_, err = dial(curve.GenerateKey())
	var refused *zmtp.RefusedError
	if errors.As(err, &refused) {
		fmt.Println(refused)
	}
	// Output:
	// hello alice, you said good morning
	// refused by server: 400 (not admitted; ask the server's operator)
}
