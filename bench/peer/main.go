// Peer is zcurve's end of the benchmarks. peers/zmqpeer.c is libzmq's, with the same roles and
// the same output.
//
//	pull MECH SIZE COUNT               receive COUNT messages after a first one
//	push MECH ENDPOINT SIZE COUNT      send COUNT+1 messages
//	echo MECH [zap]                    answer every message with itself
//	ask MECH ENDPOINT SIZE COUNT       COUNT round trips, after 1000 to warm up
//	connect MECH ENDPOINT N COUNT      N goroutines, each COUNT connections
//	hold MECH ENDPOINT N               N idle connections
//	active MECH ENDPOINT N MS          N connections, each busy for MS milliseconds
//
// The keys are in the environment, in Z85. Pull and echo first print "listening ENDPOINT". For
// each line that echo reads, it prints its processor time and memory; if the line is "settle",
// it collects its garbage first. Echo and hold exit when stdin ends. Results are a line of
// JSON.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "peer: %v\n", err)
		os.Exit(1)
	}
}

// errUsage means that the arguments name no role.
var errUsage = errors.New("unknown role; see the comment at the top of bench/peer/main.go")

// run runs the role that the arguments name.
func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	role, mechanism, rest := args[0], args[1], args[2:]
	if role == "echo" {
		return profiled(func() error { return echo(ctx, mechanism, len(rest) > 0) })
	}
	endpoint := ""
	if role != "pull" {
		if len(rest) == 0 {
			return errUsage
		}
		endpoint, rest = rest[0], rest[1:]
	}
	var numbers []int
	for _, arg := range rest {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
		numbers = append(numbers, n)
	}
	switch {
	case role == "pull" && len(numbers) == 2:
		return profiled(func() error { return pull(ctx, mechanism, numbers[0], numbers[1]) })
	case role == "push" && len(numbers) == 2:
		return profiled(func() error { return push(ctx, mechanism, endpoint, numbers[0], numbers[1]) })
	case role == "ask" && len(numbers) == 2:
		return ask(ctx, mechanism, endpoint, numbers[0], numbers[1])
	case role == "connect" && len(numbers) == 2:
		return connect(ctx, mechanism, endpoint, numbers[0], numbers[1])
	case role == "hold" && len(numbers) == 1:
		return hold(ctx, mechanism, endpoint, numbers[0])
	case role == "active" && len(numbers) == 2:
		return active(ctx, mechanism, endpoint, numbers[0], numbers[1])
	}
	return errUsage
}
