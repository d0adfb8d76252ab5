package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/bench/internal/peer"
	"github.com/zcurve/zcurve/zmtp"
)

// dialsAtOnce is the number of connections opened at the same time: fewer than the backlog of
// libzmq's listening sockets.
const dialsAtOnce = 64

// dialMany opens n connections.
func dialMany(ctx context.Context, mechanism, endpoint string, n int) ([]*zmtp.Conn, error) {
	cfg, err := clientConfig("DEALER", mechanism)
	if err != nil {
		return nil, err
	}
	conns := make([]*zmtp.Conn, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(dialsAtOnce)
	for i := range conns {
		group.Go(func() (err error) {
			conns[i], err = zmtp.Dial(ctx, endpoint, cfg)
			return err
		})
	}
	return conns, group.Wait()
}

// hold keeps n idle connections open until stdin ends.
func hold(ctx context.Context, mechanism, endpoint string, n int) error {
	conns, err := dialMany(ctx, mechanism, endpoint, n)
	if err != nil {
		return err
	}
	fmt.Println("holding", n)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	for _, conn := range conns {
		conn.Close()
	}
	return nil
}

// active runs round trips on n connections, at least one on each, and reports how evenly the
// server served them.
func active(ctx context.Context, mechanism, endpoint string, n, milliseconds int) error {
	conns, err := dialMany(ctx, mechanism, endpoint, n)
	if err != nil {
		return err
	}
	served := make([]int, n)
	start := time.Now()
	end := start.Add(time.Duration(milliseconds) * time.Millisecond)
	var group errgroup.Group
	for i, conn := range conns {
		group.Go(func() error {
			body := make([]byte, 64)
			for {
				if err := roundTrip(ctx, conn, body); err != nil {
					return err
				}
				served[i]++
				if !time.Now().Before(end) {
					return nil
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(start)
	for _, conn := range conns {
		conn.Close()
	}
	slices.Sort(served)
	total, jain := fairness(served)
	return peer.Report(struct {
		Messages int     `json:"messages"`
		NS       int64   `json:"ns"`
		Min      int     `json:"min"`
		Median   int     `json:"median"`
		Max      int     `json:"max"`
		Jain     float64 `json:"jain"`
	}{total, took.Nanoseconds(), served[0], served[n/2], served[n-1], jain})
}

// fairness returns the sum of the numbers and Jain's index: 1 if all are equal, 1/n if one
// connection got everything.
func fairness(served []int) (total int, jain float64) {
	squares := 0
	for _, n := range served {
		total += n
		squares += n * n
	}
	if squares == 0 {
		return 0, 0
	}
	return total, float64(total) * float64(total) / (float64(len(served)) * float64(squares))
}
