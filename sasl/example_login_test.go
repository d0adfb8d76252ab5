package sasl_test

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// decide makes the decision of this example. A program uses a *policy.Policy.
func decide(_ context.Context, req *zap.Request) zap.Reply {
	if login, password, ok := req.PlainLogin(); ok && login == "alice" && string(password) == "wonderland" {
		return zap.Allow(login)
	}
	return zap.Refuse("wrong user name or password")
}

// A client logs in inside the protocol NOM. The messages would travel between a DEALER and
// a ROUTER.
func Example() {
	server, err := sasl.NewServer(sasl.ServerConfig{
		Codec: sasl.NOM, Handler: zap.HandlerFunc(decide), Mechanisms: []string{sasl.Plain},
		InsecurePlain: true, Link: sasl.Link{Local: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := sasl.NewClient(sasl.ClientConfig{
		Codec: sasl.NOM, Username: "alice", Password: zap.NewPassword("wonderland"),
		InsecurePlain: true, // in this example, the connection is within the process
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := client.Start()
	for err == nil && message != nil {
		fmt.Printf("C: %q\n", message)
		if message, err = server.Handle(context.Background(), message); err == nil {
			fmt.Printf("S: %q\n", message)
			message, err = client.Handle(message)
		}
	}
	user, ok := server.User()
	fmt.Println(err, client.Done(), ok, user.ID)
	// Output:
	// C: ["OHAI"]
	// S: ["ORLY" "PLAIN" ""]
	// C: ["YARLY" "PLAIN" "\x00alice\x00wonderland"]
	// S: ["OHAI-OK"]
	// <nil> true true alice
}
