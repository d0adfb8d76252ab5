package main

import (
	"context"
	"fmt"
	"os"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// knock is the command "knock ENDPOINT DOMAIN FILE" for scripts: it asks the zauth at an
// endpoint about the client with a certificate, as a service does, and prints the decision.
func knock() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: knock endpoint domain file")
		os.Exit(2)
	}
	reply, err := ask(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, "knock:", err)
		os.Exit(2)
	}
	fmt.Println(int(reply.Status), reply.Text)
	os.Exit(0)
}

func ask(endpoint, domain, file string) (zap.Reply, error) {
	client, err := cert.Load(file)
	if err != nil {
		return zap.Reply{}, err
	}
	service, err := remote.NewHandler(remote.Options{}, endpoint)
	if err != nil {
		return zap.Reply{}, err
	}
	defer service.Close()
	return service.Handle(context.Background(), &zap.Request{Domain: domain, Address: "192.0.2.7", Mechanism: zap.Curve, Credentials: [][]byte{client.Public[:]}}), nil
}
