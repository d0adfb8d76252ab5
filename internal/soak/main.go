// Soak runs connections for a long time and checks that they work: busy and idle ones,
// with slow, polling and stopped readers, on networks that are slow or break, with
// contexts that end at random moments, over NULL and CURVE, between zmtp and libzmq.
//
//	go run ./internal/soak -for 5m
//
// It exits with 1 if a message was lost, duplicated, out of order or damaged; if a
// connection ended for no reason, or its end was not noticed in time; if a call returned
// more than a tenth of a second after its context was done; or if goroutines, memory or
// descriptors are left. Delays of the machine itself don't count; goroutines that only
// wait measure them.
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
	seed := flag.Uint64("seed", 0, "seed of random choices; 0 for a different one each time")
	workers := flag.Int("at-a-time", 8, "number of simultaneous connections, in addition to those that last for the whole soak")
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
		fmt.Printf("%d faults; to reproduce: go run ./internal/soak -for %v -seed %d\n", n, *length, *seed)
		os.Exit(1)
	}
}
