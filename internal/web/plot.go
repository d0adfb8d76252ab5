package web

import (
	"fmt"
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
)

// The size of the plot in units of its viewBox.
const (
	plotWidth   = 720 // 60 bars of 12
	plotHeight  = 140
	barWidth    = plotWidth / 60
	barGap      = 2
	leastHeight = 2 // of a bar that isn't empty
)

// bar is a part of a column of the plot.
type bar struct {
	Class               string
	X, Y, Width, Height int
}

// plot is a column for each minute of an hour, from what was admitted at the bottom to what
// failed at the top.
type plot struct {
	Title            string // says what the plot shows
	From, Middle, To time.Time
	Most             uint64 // decisions in a minute: the height of the plot
	Totals           monitor.Totals
	Bars             []bar
}

// newPlot plots 60 minutes, of which the last began at current.
func newPlot(minutes [60]monitor.Totals, current time.Time) plot {
	p := plot{From: current.Add(-59 * time.Minute), Middle: current.Add(-29 * time.Minute), To: current.Add(time.Minute)}
	for _, m := range minutes {
		p.Most = max(p.Most, m.Admitted+m.TryLater+m.Refused+m.Failed)
		p.Totals.Admitted += m.Admitted
		p.Totals.TryLater += m.TryLater
		p.Totals.Refused += m.Refused
		p.Totals.Failed += m.Failed
	}
	for i, m := range minutes {
		y := plotHeight
		for _, part := range []struct {
			class string
			n     uint64
		}{{"admitted", m.Admitted}, {"later", m.TryLater}, {"refused", m.Refused}, {"failed", m.Failed}} {
			if part.n == 0 {
				continue
			}
			height := leastHeight + int(float64(part.n)/float64(p.Most)*(plotHeight-4*leastHeight))
			y -= height
			p.Bars = append(p.Bars, bar{part.class, i*barWidth + barGap/2, y, barWidth - barGap, height})
		}
	}
	p.Title = fmt.Sprintf("Decisions in the last hour: %d admitted, %d to try again later, %d refused, %d failed. At most %d in a minute.",
		p.Totals.Admitted, p.Totals.TryLater, p.Totals.Refused, p.Totals.Failed, p.Most)
	return p
}
