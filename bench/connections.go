package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// idleTime is how long connections are idle before the server's memory is measured.
const idleTime = 3 * time.Second

// servers are the sides that many zcurve clients connect to.
var servers = []side{libzmq, zcurve}

// heldBytes returns the bytes of memory that each of n idle connections takes in a server.
func (p *peers) heldBytes(ctx context.Context, server side, n int, idle time.Duration) (float64, error) {
	g := p.newGroup(ctx)
	defer g.end()
	s, endpoint, err := g.serve(server, "echo", zap.Curve)
	if err != nil {
		return 0, err
	}
	before, err := s.stat("settle")
	if err != nil {
		return 0, err
	}
	client, err := g.peer(zcurve, "hold", zap.Curve, endpoint, n)
	if err != nil {
		return 0, err
	}
	if _, err := client.line("holding "); err != nil {
		return 0, err
	}
	time.Sleep(idle)
	after, err := s.stat("settle")
	return float64(after.RSS-before.RSS) / float64(n), err
}

// idle measures idle connections.
func (l *lab) idle() *section {
	n := 10_000
	if l.short {
		n = 2_000
	}
	return &section{
		name: "idle connections",
		note: "Resident memory of a server for each idle CURVE connection: its growth, divided by the number of connections. " +
			"The zcurve server collects its garbage before the measurement and returns free memory to the system.",
		columns: []column{{name: "bytes", spread: true, ratio: true}},
		rows: []row{{fmt.Sprintf("%d connections", n), ofSides(servers, func(ctx context.Context, server side) (sample, error) {
			held, err := l.heldBytes(ctx, server, n, idleTime)
			return sample{held}, err
		})}},
	}
}

// shares is the result of the role active.
type shares struct {
	Messages float64 `json:"messages"`
	NS       float64 `json:"ns"`
	Min      float64 `json:"min"`
	Median   float64 `json:"median"`
	Max      float64 `json:"max"`
	Jain     float64 `json:"jain"`
}

// shares makes n connections ask a server for the given time.
func (p *peers) shares(ctx context.Context, server side, n int, duration time.Duration) (result shares, err error) {
	g := p.newGroup(ctx)
	defer g.end()
	_, endpoint, err := g.serve(server, "echo", zap.Curve)
	if err != nil {
		return result, err
	}
	return result, g.run(zcurve, &result, "active", zap.Curve, endpoint, n, duration.Milliseconds())
}

// active measures how evenly a server serves many busy connections.
func (l *lab) active() *section {
	n, duration := 1_000, 3*time.Second
	if l.short {
		n = 200
	}
	return &section{
		name: "active connections",
		note: fmt.Sprintf("CURVE connections of zcurve clients, each with one round trip of 64 bytes after the other, for %.0f s. ", duration.Seconds()) +
			"The least and the most that one connection got show how fair the server is. So does Jain's index, which is 1 if all got the same.",
		columns: []column{
			{name: "round trips/s", spread: true, ratio: true},
			{name: "least"}, {name: "median"}, {name: "most"}, {name: "Jain's index"},
		},
		rows: []row{{fmt.Sprintf("%d connections", n), ofSides(servers, func(ctx context.Context, server side) (sample, error) {
			s, err := l.shares(ctx, server, n, duration)
			return sample{s.Messages / s.NS * 1e9, s.Min, s.Median, s.Max, s.Jain}, err
		})}},
	}
}
