// Chaos kills and restarts processes with sockets at random, under load, and checks what
// their peers notice: processes of sockets/zmq4 and of libzmq, on both ends, over tcp and
// ipc, with NULL and CURVE. Some are only stopped for a while.
//
//	go run ./internal/chaos -for 5m
//
// It exits with 1 if a message arrives twice, out of order or against the subscription; if
// one is lost although neither end was killed; if messages of a link with one of our sockets
// take more than 250 ms to arrive again after the later of both ends has returned; or if one
// of our processes takes more memory than its high-water marks explain. It prints how many
// messages a kill costs, with our sockets and with libzmq's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if isChild() {
		live()
	}
	length := flag.Duration("for", 5*time.Minute, "how long to kill processes")
	pause := flag.Duration("every", 300*time.Millisecond, "mean time between two kills")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c, err := run(ctx, *length, *pause, links())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	c.report(os.Stdout)
	if faults := append(c.faults, c.late()...); len(faults) > 0 {
		for _, fault := range faults {
			fmt.Println("FAULT:", fault)
		}
		os.Exit(1)
	}
}
