// Policy is a service in pure Go that decides for itself who may connect, without libzmq
// or zauth.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: policy ENDPOINT CERTIFICATE CLIENTS")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2], os.Args[3]); ctx.Err() == nil {
		log.Fatal(err)
	}
}

// rules admit the clients whose certificates are in a directory, from private networks.
func rules(clients string) policy.Rules {
	return policy.Rules{{
		Name:  "hello",
		Allow: []string{"10.0.0.0/8", "127.0.0.0/8"},
		Curve: &policy.Curve{Keystores: []string{"dir:" + clients}},
	}}
}

func serve(ctx context.Context, endpoint, certificate, clients string) error {
	c, err := cert.Load(certificate)
	if err != nil {
		return err
	}
	p, err := policy.New(rules(clients), policy.Options{Log: slog.Default()})
	if err != nil {
		return err
	}
	defer p.Close()
	go p.Watch(ctx) // notices certificates that are added or removed, and ends their connections
	rep := zmq4.NewRep(ctx, zmq4.WithSecurity(zmq4.CurveServer(c.Secret, "hello", p)))
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
		if err := rep.Send(zmq4.NewMsgString("hello " + request.From().ID)); err != nil {
			return err
		}
	}
}
