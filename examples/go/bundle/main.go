// Bundle is a client that gets all it needs from a bundle of "zcert bundle".
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/zcurve/zcurve/sockets/zmq4"
)

const bundle = "alice.bundle"

func main() {
	log.SetFlags(0)
	path := bundle
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req := zmq4.NewReq(ctx, zmq4.WithBundle(path)) // the type that fits your service
	defer req.Close()
	if err := req.Dial(""); err != nil { // all endpoints of the bundle
		log.Fatal(err)
	}
	if err := req.Send(zmq4.NewMsgString("good morning")); err != nil {
		log.Fatal(err)
	}
	reply, err := req.Recv()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reply:", string(reply.Bytes()))
}
