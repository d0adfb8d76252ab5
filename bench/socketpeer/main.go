// Socketpeer is one end of the benchmarks of sockets. Each role runs with one of three
// packages, WITH: zcurve (sockets/zmq4), pebbe (libzmq by github.com/pebbe/zmq4) or
// go-zeromq.
//
//	pull WITH MECH SIZE COUNT               receive COUNT messages after a first one
//	push WITH MECH ENDPOINT SIZE COUNT      send COUNT+1 messages
//	pub WITH MECH SIZE COUNT                publish COUNT messages
//	sub WITH MECH ENDPOINT SIZE COUNT N     N subscribers, each receives COUNT messages
//	echo WITH MECH TYPE                     answer every message with itself
//	window WITH MECH ENDPOINT SIZE COUNT    COUNT messages and their echoes, 100 at a time
//	ask WITH MECH ENDPOINT SIZE COUNT TYPE  COUNT round trips, after 1000 to warm up
//
// The keys are in the environment, in Z85. Pull, pub and echo first print "listening
// ENDPOINT". Pub publishes messages of one byte until a line arrives on stdin, after sub has
// printed "ready". The results of pull, sub, window and ask are a line of JSON. When stdin ends,
// all but ask print a line of JSON with the processor time since the first message, and exit.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/zcurve/zcurve/bench/internal/peer"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "socketpeer: %v\n", err)
		os.Exit(1)
	}
}

// errUsage means that the arguments name no role.
var errUsage = errors.New("unknown role; see the comment at the top of bench/socketpeer/main.go")

// run runs the role that the arguments name.
func run(args []string) error {
	if len(args) < 4 {
		return errUsage
	}
	role, k, rest := args[0], kit{with: args[1], mechanism: args[2]}, args[3:]
	typ := rest[len(rest)-1] // of ask and echo
	if role == "echo" {
		return echo(k, typ)
	}
	endpoint := ""
	if role != "pull" && role != "pub" {
		endpoint, rest = rest[0], rest[1:]
	}
	if role == "ask" {
		rest = rest[:max(0, len(rest)-1)]
	}
	var numbers []int
	for _, arg := range rest {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
		numbers = append(numbers, n)
	}
	if len(numbers) < 2 {
		return errUsage
	}
	size, count := numbers[0], numbers[1]
	if role == "ask" {
		return ask(k, typ, endpoint, size, count)
	}
	var err error
	switch {
	case role == "pull":
		err = pull(k, size, count)
	case role == "push":
		err = push(k, endpoint, size, count)
	case role == "pub":
		err = publish(k, size, count)
	case role == "sub" && len(numbers) == 3:
		err = subscribe(k, endpoint, size, count, numbers[2])
	case role == "window":
		err = window(k, endpoint, size, count)
	default:
		err = errUsage
	}
	if err != nil {
		return err
	}
	return reportTime()
}

// reportTime waits until stdin ends and prints the processor time since began.
func reportTime() error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return peer.Report(struct {
		CPU int64 `json:"cpu_ns"`
	}{int64(peer.CPUTime()) - began.Load()})
}

// began is the processor time when the measurement began, in nanoseconds.
var began atomic.Int64

// begin begins the measurement.
func begin() { began.Store(int64(peer.CPUTime())) }
