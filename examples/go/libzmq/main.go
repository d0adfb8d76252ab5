// Libzmq is a libzmq service that asks zauth about each client.
package main

import (
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap/remote"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: libzmq ENDPOINT CERTIFICATE ZAUTH")
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func serve(endpoint, certificate, zauth string) error {
	c, err := cert.Load(certificate)
	if err != nil {
		return err
	}
	client, err := remote.NewHandler(remote.Options{Log: slog.Default()}, zauth)
	if err != nil {
		return err
	}
	defer client.Close()
	// Call Start before the first server socket binds. Nil means libzmq's default context.
	if _, err := libzmq.Start(nil, client, slog.Default()); err != nil {
		return err
	}
	server, err := zmq4.NewSocket(zmq4.REP)
	if err != nil {
		return err
	}
	if err := libzmq.SetServer(server, c.Secret, "hello"); err != nil {
		return err
	}
	if err := server.Bind(endpoint); err != nil {
		return err
	}
	bound, err := server.GetLastEndpoint()
	if err != nil {
		return err
	}
	fmt.Println("serving on", bound)
	for {
		_, properties, err := server.RecvMessageWithMetadata(0, "User-Id")
		if err != nil {
			return err
		}
		if _, err := server.Send("hello "+properties["User-Id"], 0); err != nil {
			return err
		}
	}
}
