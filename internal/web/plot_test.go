package web

import (
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
)

// TestPlot: every decision is in a bar, which stays within the plot.
func TestPlot(t *testing.T) {
	t.Parallel()
	var minutes [60]monitor.Totals
	minutes[0] = monitor.Totals{Admitted: 1}
	minutes[30] = monitor.Totals{Admitted: 1, TryLater: 1, Refused: 1, Failed: 1e6}
	minutes[59] = monitor.Totals{Admitted: 1 << 62, Refused: 1}
	for name, m := range map[string][60]monitor.Totals{"nothing": {}, "some": {5: {Refused: 3}}, "extreme": minutes} {
		p := newPlot(m, time.Unix(0, 0))
		want := 0
		for _, of := range m {
			for _, n := range []uint64{of.Admitted, of.TryLater, of.Refused, of.Failed} {
				if n > 0 {
					want++
				}
			}
		}
		if len(p.Bars) != want {
			t.Errorf("%s: %d bars, want %d", name, len(p.Bars), want)
		}
		for _, b := range p.Bars {
			if b.X < 0 || b.X+b.Width > plotWidth || b.Y < 0 || b.Y+b.Height > plotHeight || b.Height <= 0 {
				t.Errorf("%s: %+v", name, b)
			}
		}
		if p.To.Sub(p.From) != time.Hour {
			t.Errorf("%v to %v", p.From, p.To)
		}
	}
}

func TestLength(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", -time.Second: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min 0 s", time.Hour + 59*time.Minute: "1 h 59 min",
		50*24*time.Hour + 23*time.Hour: "50 d 23 h",
	} {
		if got := length(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
