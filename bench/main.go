// Bench compares packages zmtp and sockets/zmq4 with libzmq over TCP on one machine, and the
// latter also with go-zeromq. It prints the results, writes them to docs/performance.md, and
// plots them in docs/images:
//
//	go run ./bench
//
// Bench needs gcc and the headers of libzmq and libsodium. Each end of a connection is
// a process: peers/zmqpeer.c for libzmq, the program in peer for zmtp, and that in
// socketpeer for sockets. With -plot, bench measures nothing and plots the figures in the
// document.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	short := flag.Bool("short", false, "measure less and for a shorter time, in 3 rounds by default")
	rounds := flag.Int("rounds", 0, "measure everything in `N` rounds (default 5)")
	match := flag.String("run", "", "measure only the rows whose name matches `REGEXP`")
	out := flag.String("o", "docs/performance.md", "also write the results to `FILE`; \"\" for no file")
	onlyPlot := flag.Bool("plot", false, "only plot the figures in the document")
	flag.Parse()
	if *rounds <= 0 {
		*rounds = 5
		if *short {
			*rounds = 3
		}
	}
	matching, err := regexp.Compile(*match)
	if err != nil {
		return fmt.Errorf("bench: -run: %w", err)
	}
	destination := output(*out)
	if *onlyPlot {
		return destination.draw()
	}
	if err := destination.check(); err != nil {
		return err
	}

	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return fmt.Errorf("bench: directory for the programs: %w", err)
	}
	defer os.RemoveAll(dir)
	built, err := buildPeers(ctx, dir)
	if err != nil {
		return err
	}
	text, err := (&lab{peers: built, dir: dir, short: *short, counts: map[string]int{}}).measure(ctx, *rounds, matching)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(text); err != nil {
		return err
	}
	if err := destination.write(text); err != nil {
		return err
	}
	return destination.draw()
}

// measure runs all measurements that match and returns their results as Markdown.
func (l *lab) measure(ctx context.Context, rounds int, match *regexp.Regexp) (string, error) {
	var b strings.Builder
	header, err := l.header(ctx, rounds)
	if err != nil {
		return "", err
	}
	b.WriteString(header)
	primitives, err := l.primitives()
	if err != nil {
		return "", err
	}
	for _, s := range []*section{
		l.throughput(), l.limit(), l.latency(), l.handshakes(), l.idle(), l.active(), l.allocs(),
		l.socketRates(), l.socketTrips(), primitives,
	} {
		rows, err := s.measure(ctx, rounds, match, os.Stderr)
		if err != nil {
			return "", err
		}
		if len(rows) > 0 {
			b.WriteString("\n" + s.markdown(rows))
		}
	}
	profiles, err := l.profiles(ctx, match, os.Stderr)
	return b.String() + profiles, err
}
