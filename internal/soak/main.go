// Soak lets connections live, and looks whether they do: busy and idle ones, with slow,
// polling and stopped readers, on networks that are slow or break, with contexts that
// end at random moments, over NULL and CURVE, between our ends and libzmq's.
//
//	go run ./internal/soak -for 5m
//
// It exits with 1 if a message was lost, doubled, out of order or damaged; if a
// connection ended that shouldn't, or one that should wasn't noticed in time; if a call
// returned later than its context and a tenth of a second; or if goroutines, memory or
// descriptors are left. What the machine itself is late by doesn't count: goroutines
// that only wait measure it.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	length := flag.Duration("for", 5*time.Minute, "how long to start new connections")
	seed := flag.Uint64("seed", 0, "what random choices begin with; 0 for another each time")
	workers := flag.Int("at-a-time", 8, "number of connections at a time, besides those that live for the whole soak")
	only := flag.String("run", "", "regular expression for the names of scenarios to run")
	flag.Parse()
	matches, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	s := &soak{seed: *seed, length: *length, least: 2 * time.Second, workers: *workers,
		promptly: 100 * time.Millisecond, patience: time.Minute, settling: time.Minute, out: os.Stdout}
	for _, sc := range scenarios(12 << 20) {
		if matches.MatchString(sc.name) {
			s.scenarios = append(s.scenarios, sc)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = s.soakAndReport(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	if n := s.faults(); n > 0 {
		fmt.Printf("%d faults; to try again: go run ./internal/soak -for %v -seed %d\n", n, *length, *seed)
		os.Exit(1)
	}
}
