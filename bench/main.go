// Bench measures package zmtp beside libzmq, over TCP on one machine, prints
// what comes out and writes it into docs/performance.md:
//
//	go run ./bench
//
// It needs gcc and the headers of libzmq and libsodium. Both ends of each
// connection are processes of their own: peers/zmqpeer.c for libzmq, and the
// program in peer for ours.
package main

import (
	"context"
	"errors"
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
	short := flag.Bool("short", false, "fewer and shorter measurements, in 3 rounds unless told")
	rounds := flag.Int("rounds", 0, "how often each is measured (default 5)")
	match := flag.String("run", "", "only the rows whose name matches this regular expression")
	out := flag.String("o", "docs/performance.md", "the document to write into too, \"\" for none")
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
	if err := destination.check(); err != nil {
		return err
	}

	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return fmt.Errorf("bench: folder for the programs: %w", err)
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
	_, err = os.Stdout.WriteString(text)
	return errors.Join(err, destination.write(text))
}

// measure measures everything that matches and returns it as Markdown.
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
		l.throughput(), l.limit(), l.latency(), l.handshakes(), l.idle(), l.active(), l.allocs(), primitives,
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
