// Client is a client in pure Go: no libzmq, no C compiler.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/zcurve/zcurve/sockets/zmq4"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: client ENDPOINT CERTIFICATE SERVER_CERTIFICATE")
	}
	reply, err := ask(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reply:", reply)
}

func ask(endpoint, certificate, serverCertificate string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req := zmq4.NewReq(ctx, zmq4.WithCurveFiles(certificate, serverCertificate))
	defer req.Close()
	if err := req.Dial(endpoint); err != nil {
		return "", err // such as "refused by server: 400"
	}
	if err := req.Send(zmq4.NewMsgString("good morning")); err != nil {
		return "", err
	}
	reply, err := req.Recv()
	return string(reply.Bytes()), err
}
