// Client is a client in pure Go: no libzmq, no C compiler.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
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
	me, err := cert.Load(certificate)
	if err != nil {
		return "", err
	}
	server, err := cert.Load(serverCertificate)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := zmtp.Dial(ctx, endpoint, zmtp.Config{
		SocketType: "REQ",
		Mechanism:  zap.Curve,
		Key:        me.Secret,
		ServerKey:  server.Public,
	})
	if err != nil {
		return "", err // such as "refused by server: 400"
	}
	defer conn.Close()
	// REQ and REP sockets put an empty part before each message.
	if err := conn.Send(ctx, nil, []byte("good morning")); err != nil {
		return "", err
	}
	reply, err := conn.Recv(ctx)
	if err != nil {
		return "", err
	}
	return string(reply[len(reply)-1]), nil
}
