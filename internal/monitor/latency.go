package monitor

import (
	"slices"
	"strings"
	"time"
)

// bounds are the upper bounds of the buckets of a histogram. A decision about a key takes
// microseconds, and one about a password up to 30 seconds.
var bounds = [...]time.Duration{
	5 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond,
	time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// latency counts how long decisions took.
type latency struct {
	counts [len(bounds) + 1]uint64
	sum    time.Duration
}

func (l *latency) add(took time.Duration) {
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	l.counts[i]++
	l.sum += took
}

// Latencies returns how long decisions took since the start, for each mechanism that was used,
// in order of their names.
func (m *Monitor) Latencies() (all []Histogram) {
	var sums [len(mechanisms)]latency
	m.each(func(s *shard) {
		for i := range s.counts.latencies {
			own := &s.counts.latencies[i]
			sums[i].sum += own.sum
			for j, n := range own.counts {
				sums[i].counts[j] += n
			}
		}
	})
	for i, sum := range sums {
		h := Histogram{Mechanism: mechanisms[i], Bounds: bounds[:], Counts: sum.counts[:], Sum: sum.sum}
		for _, n := range sum.counts {
			h.Count += n
		}
		if h.Count > 0 {
			h.Bounds, h.Counts = slices.Clone(h.Bounds), slices.Clone(h.Counts)
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b Histogram) int { return strings.Compare(a.Mechanism, b.Mechanism) })
	return all
}
