// Server is a service in pure Go that asks zauth about each client: no libzmq, no C
// compiler.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap/remote"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: server ENDPOINT CERTIFICATE ZAUTH")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2], os.Args[3]); ctx.Err() == nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, endpoint, certificate, zauth string) error {
	c, err := cert.Load(certificate)
	if err != nil {
		return err
	}
	handler, err := remote.NewHandler(remote.Options{Log: slog.Default()}, zauth)
	if err != nil {
		return err
	}
	defer handler.Close()
	rep := zmq4.NewRep(ctx, zmq4.WithSecurity(zmq4.CurveServer(c.Secret, "hello", handler)))
	defer rep.Close()
	if err := rep.Listen(endpoint); err != nil {
		return err
	}
	fmt.Printf("serving on tcp://%s\n", rep.Addr())
	for {
		request, err := rep.Recv()
		if err != nil {
			return err
		}
		client := request.From().ID // proved, and named by zauth
		fmt.Printf("%s says %q\n", client, request.Bytes())
		if err := rep.Send(zmq4.NewMsgString("hello " + client)); err != nil {
			return err
		}
	}
}
