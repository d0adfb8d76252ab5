package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"time"
)

// lab holds the programs and settings of all measurements.
type lab struct {
	*peers
	dir   string // for temporary files
	short bool   // measure less and for a shorter time
	// counts is the number of messages for which each kind of run is long enough.
	counts map[string]int
}

// section is a kind of measurement, with one table.
type section struct {
	name    string
	note    string // above the table
	columns []column
	rows    []row
}

// column is one figure of a sample.
type column struct {
	name   string
	spread bool // also show the smallest and the largest
	ratio  bool // also show the ratio to the first variant
}

// row is a measurement of several variants.
type row struct {
	name     string
	variants []variant
}

// variant is one of the alternatives that a row compares.
type variant struct {
	name    string
	measure func(ctx context.Context) (sample, error)
}

// pairs are the implementations at the two ends. The others are compared with the first.
var pairs = [][2]side{{libzmq, libzmq}, {zcurve, zcurve}, {zcurve, libzmq}, {libzmq, zcurve}}

// ofPairs returns a variant for each pair.
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

// ofSides returns a variant for each side.
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

// sample is the result of one measurement: a figure for each column.
type sample []float64

// measured is a row with its samples.
type measured struct {
	row
	samples [][]sample // of each variant, in each round
}

// measure measures the rows of a section whose names match. In each round, all variants
// take turns, so that other load on the machine affects all of them.
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
