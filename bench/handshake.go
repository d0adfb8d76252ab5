package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// settleTime is the time that a server has to close the connections of clients that have
// exited.
const settleTime = 50 * time.Millisecond

// connected is the result of the role connect, with its cost for the server.
type connected struct {
	Connections float64 `json:"connections"`
	NS          float64 `json:"ns"`
	serverCPU   float64 // nanoseconds
}

// connects makes clients of one side connect to a server of the other.
func (p *peers) connects(ctx context.Context, client, server side, mechanism string, withZAP bool, clients, count int) (result connected, err error) {
	g := p.newGroup(ctx)
	defer g.end()
	args := []any{"echo", mechanism}
	if withZAP {
		args = append(args, "zap")
	}
	s, endpoint, err := g.serve(server, args...)
	if err != nil {
		return result, err
	}
	// Open some connections first, so that one-time costs are not measured.
	if err := g.run(client, &result, "connect", mechanism, endpoint, clients, 20); err != nil {
		return result, err
	}
	time.Sleep(settleTime)
	before, err := s.stat("stat")
	if err != nil {
		return result, err
	}
	if err := g.run(client, &result, "connect", mechanism, endpoint, clients, count); err != nil {
		return result, err
	}
	time.Sleep(settleTime)
	after, err := s.stat("stat")
	result.serverCPU = float64(after.CPU - before.CPU)
	return result, err
}

// handshakes measures connections that carry one byte.
func (l *lab) handshakes() *section {
	s := &section{
		name: "handshakes",
		note: "Clients (the first named) connect, send one byte, wait for its echo and close. " +
			"The processor time is the server's. " +
			"With ZAP, the server asks about each client: libzmq asks a thread of its process that compares the key; zcurve asks the default policy over a keystore.",
		columns: []column{
			{name: "server CPU µs", spread: true, ratio: true},
			{name: "connections/s", spread: true, ratio: true},
		},
	}
	for _, kind := range []struct {
		name, mechanism string
		withZAP         bool
	}{
		{"NULL", zap.Null, false},
		{"CURVE", zap.Curve, false},
		{"CURVE with ZAP", zap.Curve, true},
	} {
		for _, clients := range []int{1, 8} {
			count := 1500
			if clients > 1 {
				count = 400
			}
			if l.short {
				count /= 4
			}
			s.rows = append(s.rows, row{name: fmt.Sprintf("%s, %d at a time", kind.name, clients), variants: ofPairs(func(ctx context.Context, from, to side) (sample, error) {
				c, err := l.connects(ctx, from, to, kind.mechanism, kind.withZAP, clients, count)
				return sample{c.serverCPU / c.Connections / 1e3, c.Connections / c.NS * 1e9}, err
			})})
		}
	}
	return s
}
