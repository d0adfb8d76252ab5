package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/zcurve/zcurve/zap"
)

// pull receives count messages after a first one, which isn't measured: it
// comes when the other side is ready.
func pull(ctx context.Context, mechanism string, size, count int) error {
	ln, err := listen(ctx, "PULL", mechanism, zap.HandlerFunc(letIn))
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
				return fmt.Errorf("a message of %d parts, want one part of %d octets", len(message), size)
			}
		}
		m.tick(len(batch))
	}
	return report(m.finish())
}

// push sends count messages after a first one, and stays until the other side
// has them all.
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
	// The connection counts as broken, not as closed, where the other side leaves
	// something of ours unread.
	_, err = conn.Recv(ctx)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	return report(m.finish())
}
