// Stress runs the tests of this module's packages repeatedly while it keeps the machine
// busy, and lists which tests failed and how often.
//
//	go run ./internal/stress -for 30m [packages]
//
// The tests run in a random order, under the race detector, with one and with four
// processors in turn; those that need it also run without the race detector. As many
// packages as there are processors run at a time, next to as many busy loops. The package
// that has had the least time runs next, so that fast tests run often. The output of each
// failed run is kept in a file.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	duration := flag.Duration("for", 10*time.Minute, "how long to start new runs")
	busy := flag.Int("busy", runtime.NumCPU(), "number of busy loops")
	out := flag.String("o", "stress", "directory for the output of failed runs")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed, err := stress(ctx, *duration, *busy, *out, patterns)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
	}
	if err != nil || failed {
		os.Exit(1)
	}
}

// stress builds the tests, runs them for a while and prints the failures.
func stress(ctx context.Context, duration time.Duration, busy int, out string, patterns []string) (failed bool, err error) {
	dir, err := os.MkdirTemp("", "stress-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	suites, err := build(ctx, dir, patterns)
	if err != nil {
		return false, err
	}
	runtime.GOMAXPROCS(runtime.NumCPU() + busy)
	load, stop := context.WithCancel(ctx)
	defer stop()
	for range busy {
		go func() {
			for load.Err() == nil {
			}
		}()
	}
	if err := clear(out); err != nil {
		return false, err
	}
	s := &schedule{suites: suites, deadline: time.Now().Add(duration), out: out}
	s.run(ctx, runtime.NumCPU())
	stop()
	return s.report(os.Stdout), ctx.Err()
}
