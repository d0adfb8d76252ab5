package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"time"
)

// lab is what measures.
type lab struct {
	*peers
	dir   string // for what is in between
	short bool   // fewer and shorter measurements
	// counts is how many messages make each kind of run long enough.
	counts map[string]int
}

// section is one kind of measurement, and one table.
type section struct {
	name    string
	note    string // above the table
	columns []column
	rows    []row
}

// column is one figure of a sample.
type column struct {
	name   string
	spread bool // its smallest and largest are shown too
	ratio  bool // its ratio to the first variant's is shown too
}

// row is something that is measured for several variants.
type row struct {
	name     string
	variants []variant
}

// variant is one of those who are compared.
type variant struct {
	name    string
	measure func(ctx context.Context) (sample, error)
}

// pairs are who talks to whom. The first is what the others are compared to.
var pairs = [][2]side{{libzmq, libzmq}, {zcurve, zcurve}, {zcurve, libzmq}, {libzmq, zcurve}}

// ofPairs makes a variant of each pair.
func ofPairs(measure func(ctx context.Context, from, to side) (sample, error)) []variant {
	var all []variant
	for _, pair := range pairs {
		all = append(all, variant{
			name:    fmt.Sprintf("%s → %s", pair[0], pair[1]),
			measure: func(ctx context.Context) (sample, error) { return measure(ctx, pair[0], pair[1]) },
		})
	}
	return all
}

// ofSides makes a variant of each side.
func ofSides(sides []side, measure func(ctx context.Context, s side) (sample, error)) []variant {
	var all []variant
	for _, s := range sides {
		all = append(all, variant{
			name:    string(s),
			measure: func(ctx context.Context) (sample, error) { return measure(ctx, s) },
		})
	}
	return all
}

// sample is what one measurement gave: a figure for each column.
type sample []float64

// measured is a row with its samples.
type measured struct {
	row
	samples [][]sample // of each variant, in each round
}

// measure measures the rows of a section whose names match. In each round all
// variants take turns, so that what else the machine does hits all of them.
func (s *section) measure(ctx context.Context, rounds int, match *regexp.Regexp, progress io.Writer) ([]measured, error) {
	var all []measured
	for _, r := range s.rows {
		name := s.name + " " + r.name
		if !match.MatchString(name) {
			continue
		}
		start := time.Now()
		m := measured{row: r, samples: make([][]sample, len(r.variants))}
		for range rounds {
			for i, v := range r.variants {
				figures, err := v.measure(ctx)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", name, v.name, err)
				}
				m.samples[i] = append(m.samples[i], figures)
			}
		}
		all = append(all, m)
		fmt.Fprintf(progress, "%-45s %5.1f s\n", name, time.Since(start).Seconds())
	}
	return all, nil
}
