package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/zap"
)

// size is a message size.
type size struct {
	name   string
	length int
	pilot  int // messages of the run that estimates the rate
}

var sizes = []size{
	{"64 B", 64, 200_000},
	{"256 B", 256, 100_000},
	{"1 KiB", 1 << 10, 50_000},
	{"8 KiB", 8 << 10, 10_000},
	{"64 KiB", 64 << 10, 1_000},
	{"1 MiB", 1 << 20, 60},
}

// flow is the result of the roles pull and push.
type flow struct {
	Messages      int     `json:"messages"`
	NS            float64 `json:"ns"`
	Allocs        float64 `json:"allocs"`
	AllocBytes    float64 `json:"alloc_bytes"`
	AllocMessages float64 `json:"alloc_messages"`
}

// flow makes one side push messages to the other.
func (p *peers) flow(ctx context.Context, from, to side, mechanism string, length, count int) (pushed, pulled flow, err error) {
	g := p.newGroup(ctx)
	defer g.end()
	return flowBetween(g, g, from, to, mechanism, length, count)
}

// flowBetween is flow with each side in its own group. Both processes have exited when it
// returns without an error.
func flowBetween(pushing, pulling *group, from, to side, mechanism string, length, count int) (pushed, pulled flow, err error) {
	puller, endpoint, err := pulling.serve(to, "pull", mechanism, length, count)
	if err != nil {
		return pushed, pulled, err
	}
	pusher, err := pushing.peer(from, "push", mechanism, endpoint, length, count)
	if err != nil {
		return pushed, pulled, err
	}
	if err := pusher.result(&pushed); err != nil {
		return pushed, pulled, err
	}
	if err := puller.result(&pulled); err != nil {
		return pushed, pulled, err
	}
	return pushed, pulled, errors.Join(pusher.finish(), puller.finish())
}

// rate returns the messages per second from one side to the other, in a run of about a
// second.
func (l *lab) rate(ctx context.Context, from, to side, mechanism string, size size) (float64, error) {
	kind := fmt.Sprint(from, to, mechanism, size)
	if l.counts[kind] == 0 {
		pilot, err := l.rateOf(ctx, from, to, mechanism, size.length, size.pilot)
		if err != nil {
			return 0, err
		}
		seconds := 1.0
		if l.short {
			seconds = 0.3
		}
		l.counts[kind] = max(size.pilot, int(pilot*seconds))
	}
	return l.rateOf(ctx, from, to, mechanism, size.length, l.counts[kind])
}

// rateOf is rate with a given number of messages.
func (p *peers) rateOf(ctx context.Context, from, to side, mechanism string, length, count int) (float64, error) {
	_, pulled, err := p.flow(ctx, from, to, mechanism, length, count)
	return float64(pulled.Messages) / pulled.NS * 1e9, err
}

// throughput measures messages per second, one way.
func (l *lab) throughput() *section {
	s := &section{
		name: "throughput",
		note: "One connection, one way, as fast as possible. The receiver measures the time from the first message to the last.",
		columns: []column{
			{name: "messages/s", spread: true, ratio: true},
			{name: "MB/s"},
		},
	}
	for _, mechanism := range []string{zap.Null, zap.Curve} {
		for _, size := range sizes {
			s.rows = append(s.rows, row{name: mechanism + " " + size.name, variants: ofPairs(func(ctx context.Context, from, to side) (sample, error) {
				rate, err := l.rate(ctx, from, to, mechanism, size)
				return sample{rate, rate * float64(size.length) / 1e6}, err
			})})
		}
	}
	return s
}
