package main

import (
	"context"

	"github.com/zcurve/zcurve/zap"
)

// allocs measures the allocations per message.
func (l *lab) allocs() *section {
	s := &section{
		name: "allocations",
		note: "For each message over CURVE, with the same implementation at both ends, once buffers have grown. " +
			"For libzmq, calls of malloc and the like are counted; for zcurve, the objects and bytes that Go's runtime counts.",
		columns: []column{{name: "allocations", spread: true}, {name: "bytes", spread: true}},
	}
	for _, size := range []size{sizes[0], sizes[4]} {
		for _, role := range []string{"push", "pull"} {
			s.rows = append(s.rows, row{role + " " + size.name, ofSides([]side{counting, zcurve}, func(ctx context.Context, both side) (sample, error) {
				pushed, pulled, err := l.flow(ctx, both, both, zap.Curve, size.length, 5*size.pilot)
				f := pulled
				if role == "push" {
					f = pushed
				}
				return sample{f.Allocs / f.AllocMessages, f.AllocBytes / f.AllocMessages}, err
			})})
		}
	}
	return s
}
