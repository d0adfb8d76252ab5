package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/bench/internal/peer"
	"github.com/zcurve/zcurve/zmtp"
)

// ask measures round trips, one after the other.
func ask(ctx context.Context, mechanism, endpoint string, size, count int) error {
	conn, err := dial(ctx, "DEALER", mechanism, endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()

	body := make([]byte, size)
	return peer.RoundTrips(count, func() error { return roundTrip(ctx, conn, body) })
}

// roundTrip sends a message and waits for its echo.
func roundTrip(ctx context.Context, conn *zmtp.Conn, body []byte) error {
	if err := conn.Send(ctx, body); err != nil {
		return err
	}
	answer, err := conn.Recv(ctx)
	if err != nil {
		return err
	}
	if len(answer) != 1 || len(answer[0]) != len(body) {
		return fmt.Errorf("an echo of %d parts, expected one part of %d bytes", len(answer), len(body))
	}
	return nil
}

// connect opens connections that carry one small round trip each.
func connect(ctx context.Context, mechanism, endpoint string, clients, count int) error {
	cfg, err := clientConfig("DEALER", mechanism)
	if err != nil {
		return err
	}
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range clients {
		group.Go(func() error {
			for range count {
				if err := connectOnce(ctx, endpoint, cfg); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return peer.Report(struct {
		Connections int   `json:"connections"`
		NS          int64 `json:"ns"`
	}{clients * count, time.Since(start).Nanoseconds()})
}

func connectOnce(ctx context.Context, endpoint string, cfg zmtp.Config) error {
	conn, err := zmtp.Dial(ctx, endpoint, cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	return roundTrip(ctx, conn, []byte{'x'})
}
