package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/zcurve/zcurve/bench/internal/peer"
	"github.com/zcurve/zcurve/zap"
)

// pull receives count messages after a first one, which is not measured: it shows that the
// other side is ready.
func pull(ctx context.Context, mechanism string, size, count int) error {
	ln, err := listen(ctx, "PULL", mechanism, zap.HandlerFunc(admitAll))
	if err != nil {
		return err
	}
	defer ln.Close()
	conn, err := ln.Accept(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	if _, err := conn.Recv(ctx); err != nil {
		return err
	}
	m := startMeter(count)
	for m.done < count {
		batch, err := conn.RecvBatch(ctx)
		if err != nil {
			return err
		}
		for _, message := range batch {
			if len(message) != 1 || len(message[0]) != size {
				return fmt.Errorf("message of %d parts, expected one part of %d bytes", len(message), size)
			}
		}
		m.tick(len(batch))
	}
	return peer.Report(m.finish())
}

// push sends count messages after a first one, and waits until the other side has received
// all of them.
func push(ctx context.Context, mechanism, endpoint string, size, count int) error {
	conn, err := dial(ctx, "PUSH", mechanism, endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()

	body := make([]byte, size)
	if err := conn.Send(ctx, body); err != nil {
		return err
	}
	m := startMeter(count)
	for range count {
		if err := conn.Queue(ctx, body); err != nil {
			return err
		}
		m.tick(1)
	}
	if err := conn.Flush(ctx); err != nil {
		return err
	}
	// The connection is reset instead of closed if the other side has not read
	// everything.
	_, err = conn.Recv(ctx)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	return peer.Report(m.finish())
}
