// Subscriber prints what a publisher sends, and what happens to the connection. It connects
// again when it has lost the publisher. It is pure Go.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: subscriber ENDPOINT CERTIFICATE PUBLISHER_CERTIFICATE TOPIC")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := subscribe(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4]); ctx.Err() == nil {
		log.Fatal(err)
	}
}

func subscribe(ctx context.Context, endpoint, certificate, publisherCertificate, topic string) error {
	sub := zmq4.NewSub(ctx,
		zmq4.WithCurveFiles(certificate, publisherCertificate),
		zmq4.WithReconnect(0, 0),
		zmq4.WithLogger(nil),
		zmq4.WithEvents(func(e sockets.Event) { fmt.Println(e) }))
	defer sub.Close()
	if err := sub.SetOption(zmq4.OptionSubscribe, topic); err != nil {
		return err
	}
	if err := sub.Dial(endpoint); err != nil {
		return err
	}
	for {
		msg, err := sub.Recv()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", msg.Bytes())
	}
}
