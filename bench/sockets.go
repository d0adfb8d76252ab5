package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/zap"
)

// Packages of sockets for Go, and the words of socketpeer for them.
const (
	goPebbe  side = "pebbe"
	goZeromq side = "go-zeromq"
)

// kits are the packages that are compared, with the same one at both ends. The first is the
// base. go-zeromq has no CURVE.
func kits(mechanism string) []side {
	if mechanism == zap.Curve {
		return []side{goPebbe, zcurve}
	}
	return []side{goPebbe, goZeromq, zcurve}
}

// ofKits returns a variant for each package.
func ofKits(mechanism string, measure func(ctx context.Context, with side) (sample, error)) []variant {
	variants := ofSides(kits(mechanism), measure)
	for i := range variants {
		if variants[i].name == string(goPebbe) {
			variants[i].name = "libzmq, pebbe"
		}
	}
	return variants
}

// socketPeer starts the program of the packages of sockets.
func (g *group) socketPeer(args ...any) (*child, error) {
	return g.start(g.peers.sockets, texts(args)...)
}

// socketServer starts a server and returns it with its endpoint.
func (g *group) socketServer(args ...any) (server *child, endpoint string, err error) {
	if server, err = g.socketPeer(args...); err != nil {
		return nil, "", err
	}
	endpoint, err = server.line("listening ")
	return server, endpoint, err
}

// socketFlow is the result of messages one way, or both ways.
type socketFlow struct {
	Messages float64 `json:"messages"`
	NS       float64 `json:"ns"`
	CPU      float64 `json:"cpu_ns"` // of both processes
}

// pattern is how the two processes of a measurement of sockets exchange count messages.
type pattern struct {
	name string
	run  func(ctx context.Context, with side, mechanism string, length, count int) (socketFlow, error)
}

// finished waits for the result of a measurement, ends its processes, and adds up their
// processor time.
func finished(measures, other *child) (f socketFlow, err error) {
	if err := measures.result(&f); err != nil {
		return f, err
	}
	total := 0.0
	for _, c := range []*child{measures, other} {
		c.stdin.Close()
		if err := c.result(&f); err != nil {
			return f, err
		}
		total += f.CPU
	}
	f.CPU = total
	return f, errors.Join(measures.finish(), other.finish())
}

// pushes is PUSH and PULL.
func (p *peers) pushes(ctx context.Context, with side, mechanism string, length, count int) (socketFlow, error) {
	g := p.newGroup(ctx)
	defer g.end()
	puller, endpoint, err := g.socketServer("pull", with, mechanism, length, count)
	if err != nil {
		return socketFlow{}, err
	}
	pusher, err := g.socketPeer("push", with, mechanism, endpoint, length, count)
	if err != nil {
		return socketFlow{}, err
	}
	return finished(puller, pusher)
}

// publishes returns PUB with n SUBs, which receive count messages together.
func (p *peers) publishes(n int) func(ctx context.Context, with side, mechanism string, length, count int) (socketFlow, error) {
	return func(ctx context.Context, with side, mechanism string, length, count int) (socketFlow, error) {
		g := p.newGroup(ctx)
		defer g.end()
		each := max(1, count/n)
		publisher, endpoint, err := g.socketServer("pub", with, mechanism, length, each)
		if err != nil {
			return socketFlow{}, err
		}
		subscribers, err := g.socketPeer("sub", with, mechanism, endpoint, length, each, n)
		if err != nil {
			return socketFlow{}, err
		}
		if _, err := subscribers.line("ready"); err != nil {
			return socketFlow{}, err
		}
		if _, err := fmt.Fprintln(publisher.stdin); err != nil {
			return socketFlow{}, fmt.Errorf("bench: %s: %w", publisher.name, err)
		}
		return finished(subscribers, publisher)
	}
}

// echoes is DEALER and ROUTER.
func (p *peers) echoes(ctx context.Context, with side, mechanism string, length, count int) (socketFlow, error) {
	g := p.newGroup(ctx)
	defer g.end()
	router, endpoint, err := g.socketServer("echo", with, mechanism, "ROUTER")
	if err != nil {
		return socketFlow{}, err
	}
	dealer, err := g.socketPeer("window", with, mechanism, endpoint, length, count)
	if err != nil {
		return socketFlow{}, err
	}
	return finished(dealer, router)
}

// patterns returns the patterns that are measured.
func (p *peers) patterns() []pattern {
	return []pattern{
		{"PUSH", p.pushes}, {"PUB 1", p.publishes(1)}, {"PUB 10", p.publishes(10)}, {"PUB 100", p.publishes(100)}, {"DEALER", p.echoes},
	}
}

// socketSizes are the sizes of messages, with the messages of a run that estimates the rate.
var socketSizes = []size{{"64 B", 64, 20_000}, {"1 KiB", 1 << 10, 10_000}, {"8 KiB", 8 << 10, 2_000}, {"64 KiB", 64 << 10, 500}}

// socketRate measures a pattern in a run of about half a second.
func (l *lab) socketRate(ctx context.Context, p pattern, with side, mechanism string, size size) (sample, error) {
	kind := fmt.Sprint(p.name, with, mechanism, size)
	if l.counts[kind] == 0 {
		pilot, err := p.run(ctx, with, mechanism, size.length, size.pilot)
		if err != nil {
			return nil, err
		}
		seconds := 0.5
		if l.short {
			seconds = 0.15
		}
		l.counts[kind] = max(size.pilot, int(pilot.Messages/pilot.NS*1e9*seconds))
	}
	f, err := p.run(ctx, with, mechanism, size.length, l.counts[kind])
	return sample{f.Messages / f.NS * 1e9, f.CPU / f.Messages / 1e3}, err
}

// socketRates measures messages per second through sockets.
func (l *lab) socketRates() *section {
	s := &section{
		name: "sockets",
		note: "Sockets of three packages for Go, the same one at both ends, over one connection or, for PUB, one for each subscriber. " +
			"The subscribers are in one process, and a message to each counts. Up to 100 messages from DEALER to ROUTER and back are on the way at a time. " +
			"The processor time is that of both processes.",
		columns: []column{
			{name: "messages/s", spread: true, ratio: true},
			{name: "CPU µs", spread: true, ratio: true},
		},
	}
	for _, mechanism := range []string{zap.Null, zap.Curve} {
		for _, p := range l.patterns() {
			for _, size := range socketSizes {
				if p.name != "PUSH" && (l.short && size.length > 64 || size.length == 8<<10) {
					continue
				}
				s.rows = append(s.rows, row{mechanism + " " + p.name + ", " + size.name, ofKits(mechanism, func(ctx context.Context, with side) (sample, error) {
					return l.socketRate(ctx, p, with, mechanism, size)
				})})
			}
		}
	}
	return s
}

// asks makes a client send count messages to a server, and wait for the echo of each.
func (p *peers) asks(ctx context.Context, with side, mechanism, client, server string, length, count int) (took trips, err error) {
	g := p.newGroup(ctx)
	defer g.end()
	_, endpoint, err := g.socketServer("echo", with, mechanism, server)
	if err != nil {
		return took, err
	}
	req, err := g.socketPeer("ask", with, mechanism, endpoint, length, count, client)
	if err != nil {
		return took, err
	}
	return took, req.result(&took)
}

// socketTrips measures the time of a message and its echo.
func (l *lab) socketTrips() *section {
	s := &section{
		name: "requests",
		note: "Round trips through the same sockets: a REQ or DEALER sends a message to a REP or ROUTER, which sends it back. " +
			"Then it sends the next one. With REQ, each message has an empty frame more, which CURVE encrypts too.",
		columns: []column{{name: "median µs", spread: true, ratio: true}, {name: "p99 µs", spread: true}},
	}
	count, sizes := 10_000, socketSizes
	if l.short {
		count, sizes = 2_000, sizes[:1]
	}
	for _, pair := range [][2]string{{"REQ", "REP"}, {"DEALER", "ROUTER"}} {
		for _, mechanism := range []string{zap.Null, zap.Curve} {
			for _, size := range sizes {
				s.rows = append(s.rows, row{mechanism + " " + pair[0] + ", " + size.name, ofKits(mechanism, func(ctx context.Context, with side) (sample, error) {
					took, err := l.asks(ctx, with, mechanism, pair[0], pair[1], size.length, count)
					return sample{took.Median / 1e3, took.P99 / 1e3}, err
				})})
			}
		}
	}
	return s
}
