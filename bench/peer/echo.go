package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/zcurve/zcurve/bench/internal/peer"
	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// echo sends every message back to its client, until stdin ends.
func echo(ctx context.Context, mechanism string, decide bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var handler zap.Handler = zap.HandlerFunc(admitAll)
	if decide {
		var err error
		if handler, err = onlyClient(); err != nil {
			return err
		}
	}
	ln, err := listen(ctx, "ROUTER", mechanism, handler)
	if err != nil {
		return err
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept(ctx)
			if err != nil {
				return
			}
			go answer(ctx, conn)
		}
	}()
	return answerStats()
}

// onlyClient returns the default policy over a keystore with the benchmarks' client.
func onlyClient() (zap.Handler, error) {
	key, err := publicKey("BENCH_CLIENT_PUBLIC")
	if err != nil {
		return nil, err
	}
	store, err := keystore.Open("mem:", nil)
	if err != nil {
		return nil, err
	}
	if err := store.Put(&keystore.Identity{Name: "bench", Certificate: &cert.Certificate{Public: key}}); err != nil {
		return nil, err
	}
	return policy.Default(store, policy.Options{})
}

// answer serves one connection until its client closes it.
func answer(ctx context.Context, conn *zmtp.Conn) {
	defer conn.Close()
	for {
		batch, err := conn.RecvBatch(ctx)
		if err != nil {
			return
		}
		for _, message := range batch {
			if err := conn.Queue(ctx, message...); err != nil {
				return
			}
		}
		if err := conn.Flush(ctx); err != nil {
			return
		}
	}
}

// answerStats prints processor time and memory for each line of the input.
func answerStats() error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "settle" {
			// Count only memory in use. The first of the two collections empties
			// the pools.
			runtime.GC()
			debug.FreeOSMemory()
		}
		resident, err := residentBytes()
		if err != nil {
			return err
		}
		stat := struct {
			CPU int64 `json:"cpu_ns"`
			RSS int64 `json:"rss"`
		}{peer.CPUTime().Nanoseconds(), resident}
		if err := peer.Report(stat); err != nil {
			return err
		}
	}
	return lines.Err()
}

// residentBytes returns the bytes of the process that are in memory.
func residentBytes() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Fscan(strings.NewReader(string(text)), &size, &resident); err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	return resident * int64(os.Getpagesize()), nil
}
