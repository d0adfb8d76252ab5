// Policy is a service in pure Go that decides for itself who may connect, without libzmq
// or zauth.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: policy ENDPOINT CERTIFICATE CLIENTS")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
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
	go p.Watch(ctx) // notices certificates that are added or removed
	ln, err := zmtp.Listen(ctx, endpoint, zmtp.Config{
		SocketType: "REP",
		Mechanism:  zap.Curve,
		Key:        c.Secret,
		Handler:    p,
		Domain:     "hello",
		Log:        slog.Default(),
	})
	if err != nil {
		return err
	}
	defer ln.Close()
	fmt.Println("serving on", ln.Endpoint())
	for {
		conn, err := ln.Accept(ctx)
		if errors.Is(err, context.Canceled) {
			return nil
		} else if err != nil {
			return err
		}
		go answer(ctx, conn)
	}
}

// answer replies to each request of a client that was admitted.
func answer(ctx context.Context, conn *zmtp.Conn) {
	defer conn.Close()
	for {
		if _, err := conn.Recv(ctx); err != nil {
			return
		}
		// REQ and REP sockets put an empty part before each message.
		if err := conn.Send(ctx, nil, []byte("hello "+conn.User().ID)); err != nil {
			return
		}
	}
}
