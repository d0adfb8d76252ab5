// Publisher sends a message ten times a second to all subscribers whose certificates are
// in a keystore, and disconnects those whose keys are revoked. It is pure Go.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: publisher ENDPOINT CERTIFICATE SUBSCRIBERS")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := publish(ctx, os.Args[1], os.Args[2], os.Args[3]); ctx.Err() == nil {
		log.Fatal(err)
	}
}

func publish(ctx context.Context, endpoint, certificate, subscribers string) error {
	c, err := cert.Load(certificate)
	if err != nil {
		return err
	}
	rules := policy.Rules{{Name: "news", Curve: &policy.Curve{Keystores: []string{"dir:" + subscribers}}}}
	p, err := policy.New(rules, policy.Options{Log: slog.Default()})
	if err != nil {
		return err
	}
	defer p.Close()
	go p.Watch(ctx) // notices certificates that are added, removed or revoked
	pub := zmq4.NewPub(ctx,
		zmq4.WithSecurity(zmq4.CurveServer(c.Secret, "news", p)),
		// A subscriber that falls 100 messages behind loses some. It delays no other.
		zmq4.WithHighWaterMarks(100, 100),
		zmq4.WithLogger(nil),
		zmq4.WithEvents(func(e sockets.Event) { fmt.Println(e) }))
	defer pub.Close()
	if err := pub.Listen(endpoint); err != nil {
		return err
	}
	fmt.Printf("publishing at tcp://%s\n", pub.Addr())
	ticks := time.NewTicker(time.Second / 10)
	defer ticks.Stop()
	for n := 1; ; n++ {
		if err := pub.Send(zmq4.NewMsgString(fmt.Sprint("tick ", n))); err != nil {
			return err
		}
		<-ticks.C
	}
}
