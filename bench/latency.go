package main

import (
	"context"

	"github.com/zcurve/zcurve/zap"
)

// trips is the result of the role ask.
type trips struct {
	Median float64 `json:"median_ns"`
	P99    float64 `json:"p99_ns"`
}

// trips makes a client of one side ask an echo server of the other.
func (p *peers) trips(ctx context.Context, client, server side, mechanism string, length, count int) (result trips, err error) {
	g := p.newGroup(ctx)
	defer g.end()
	_, endpoint, err := g.serve(server, "echo", mechanism)
	if err != nil {
		return result, err
	}
	return result, g.run(client, &result, "ask", mechanism, endpoint, length, count)
}

// latency measures the time of a message and its echo.
func (l *lab) latency() *section {
	s := &section{
		name: "round trips",
		note: "One client (the first named) sends a message to a server, which sends it back. Then it sends the next one.",
		columns: []column{
			{name: "median µs", spread: true, ratio: true},
			{name: "p99 µs", spread: true},
		},
	}
	count := 20_000
	if l.short {
		count = 4_000
	}
	for _, mechanism := range []string{zap.Null, zap.Curve} {
		for _, size := range []size{sizes[0], sizes[2]} {
			s.rows = append(s.rows, row{name: mechanism + " " + size.name, variants: ofPairs(func(ctx context.Context, from, to side) (sample, error) {
				took, err := l.trips(ctx, from, to, mechanism, size.length, count)
				return sample{took.Median / 1e3, took.P99 / 1e3}, err
			})})
		}
	}
	return s
}
