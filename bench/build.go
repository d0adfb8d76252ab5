package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/zcurve/zcurve/curve"
)

// sources are the programs in C. They are embedded so that bench runs in every directory
// of the module.
//
//go:embed peers
var sources embed.FS

// side is an implementation.
type side string

const (
	libzmq side = "libzmq"
	zcurve side = "zcurve"
	// counting is libzmq while its allocations are counted, which makes it slower.
	counting side = "libzmq, counting"
)

// peers are the programs that bench measures.
type peers struct {
	path    map[side]string
	sodium  string
	sockets string   // bench/socketpeer
	env     []string // environment with the keys
}

// buildPeers builds the programs in a directory.
func buildPeers(ctx context.Context, dir string) (*peers, error) {
	p := &peers{
		path: map[side]string{
			libzmq:   filepath.Join(dir, "zmqpeer"),
			counting: filepath.Join(dir, "zmqpeer-counting"),
			zcurve:   filepath.Join(dir, "peer"),
		},
		sodium:  filepath.Join(dir, "sodium"),
		sockets: filepath.Join(dir, "socketpeer"),
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, fmt.Errorf("bench: writing the sources: %w", err)
	}
	zmqSource, sodiumSource := filepath.Join(dir, "peers", "zmqpeer.c"), filepath.Join(dir, "peers", "sodium.c")
	for _, args := range [][]string{
		{"gcc", "-O2", "-Wall", "-o", p.path[libzmq], zmqSource, "-lzmq", "-lpthread"},
		{"gcc", "-O2", "-Wall", "-DCOUNT_ALLOCS", "-o", p.path[counting], zmqSource, "-lzmq", "-lpthread"},
		{"gcc", "-O2", "-Wall", "-o", p.sodium, sodiumSource, "-lsodium"},
		{"go", "build", "-o", p.path[zcurve], "github.com/zcurve/zcurve/bench/peer"},
		{"go", "build", "-o", p.sockets, "github.com/zcurve/zcurve/bench/socketpeer"},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("bench: building with %s: %w\n%s", args[0], err, out)
		}
	}
	server, client := curve.GenerateKey(), curve.GenerateKey()
	p.env = append(os.Environ(),
		"BENCH_SERVER_PUBLIC="+server.Public().String(), "BENCH_SERVER_SECRET="+string(server.AppendZ85(nil)),
		"BENCH_CLIENT_PUBLIC="+client.Public().String(), "BENCH_CLIENT_SECRET="+string(client.AppendZ85(nil)))
	return p, nil
}
