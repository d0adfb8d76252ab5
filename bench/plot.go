package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errNoFigures means that a document has no rows to plot.
var errNoFigures = errors.New("no CURVE rows in the table of throughput")

// bar is one message size of the plot.
type bar struct {
	size           string
	libzmq, zcurve string // messages per second, as in the table
	ratio          float64
}

// bars reads the rows of the table of throughput that are plotted: CURVE, with the
// same implementation at both ends.
func bars(document string) ([]bar, error) {
	_, table, _ := strings.Cut(document, "\n### Throughput\n")
	table, _, _ = strings.Cut(table, "\n### ")
	var all []bar
	size, base := "", ""
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[1] != "" {
			size = cells[1]
		}
		name, isCurve := strings.CutPrefix(size, "CURVE ")
		switch {
		case !isCurve:
		case cells[2] == "libzmq → libzmq":
			base = cells[3]
		case cells[2] == "zcurve → zcurve":
			ratio, err := strconv.ParseFloat(cells[5], 64)
			if err != nil {
				return nil, fmt.Errorf("ratio of %s: %w", size, err)
			}
			all = append(all, bar{name, base, cells[3], ratio})
		}
	}
	if len(all) == 0 {
		return nil, errNoFigures
	}
	return all, nil
}

// Sizes of the plot, in pixels. Each group of bars is centered in its step.
const (
	plotLeft   = 56
	plotTop    = 64
	plotHeight = 200
	plotStep   = 118
	plotBar    = 38
)

const plotHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d 330" width="%[1]d" height="330" role="img" aria-labelledby="title desc" font-family="-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif" font-size="13">
  <title id="title">Encrypted messages per second, relative to libzmq</title>
  <desc id="desc">%[2]s</desc>
  <style>
    .card { fill: #ffffff; stroke: #d0d7de }
    text { fill: #1f2328 }
    .head { font-size: 15px; font-weight: 600 }
    .small { fill: #57606a; font-size: 12px }
    .grid { stroke: #d8dee4 }
    .one { stroke: #57606a; stroke-dasharray: 5 4 }
    .libzmq { fill: #afb8c1 }
    .zcurve { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #30363d }
      text { fill: #e6edf3 }
      .small { fill: #9da7b3 }
      .grid { stroke: #21262d }
      .one { stroke: #9da7b3 }
      .libzmq { fill: #6e7681 }
      .zcurve { fill: #58a6ff }
    }
  </style>
  <rect class="card" x=".5" y=".5" width="%[3]d" height="329" rx="8"/>
  <text class="head" x="20" y="30">Encrypted messages per second, relative to libzmq (higher is faster)</text>
`

// plot returns an SVG of the throughput over CURVE, from the table in a document.
func plot(document string) (string, error) {
	all, err := bars(document)
	if err != nil {
		return "", err
	}
	width := plotLeft + plotStep*len(all) + 20
	said := "With zcurve at both ends, relative to libzmq at both ends:"
	for i, b := range all {
		separator := ","
		if i == 0 {
			separator = ""
		}
		said += fmt.Sprintf("%s %s %.2f", separator, b.size, b.ratio)
	}
	var s strings.Builder
	fmt.Fprintf(&s, plotHead, width, said+".", width-1)
	most := 1.0 // ratio at the top
	for _, b := range all {
		most = max(most, math.Ceil(2*b.ratio)/2)
	}
	y := func(ratio float64) int { return plotTop + plotHeight - int(ratio/most*plotHeight+0.5) }
	for ratio := 0.0; ratio <= most; ratio += 0.5 {
		class := "grid"
		if ratio == 1 {
			class = "one"
		}
		fmt.Fprintf(&s, "  <path class=%q d=\"M%d,%d H%d\"/>\n", class, plotLeft, y(ratio), width-20)
		fmt.Fprintf(&s, "  <text class=\"small\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%.1f</text>\n", plotLeft-8, y(ratio)+4, ratio)
	}
	for i, b := range all {
		center := plotLeft + plotStep*i + plotStep/2
		for _, side := range []struct {
			class, rate string
			ratio       float64
			x           int
		}{{"libzmq", b.libzmq, 1, center - plotBar - 2}, {"zcurve", b.zcurve, b.ratio, center + 2}} {
			fmt.Fprintf(&s, "  <rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"><title>%s: %s messages/s</title></rect>\n",
				side.class, side.x, y(side.ratio), plotBar, y(0)-y(side.ratio), side.class, side.rate)
		}
		fmt.Fprintf(&s, "  <text x=\"%d\" y=\"%d\" text-anchor=\"middle\" font-weight=\"600\">%.2f</text>\n", center+2+plotBar/2, y(b.ratio)-6, b.ratio)
		fmt.Fprintf(&s, "  <text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", center, y(0)+20, b.size)
		fmt.Fprintf(&s, "  <text class=\"small\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s/s</text>\n", center, y(0)+38, b.zcurve)
	}
	fmt.Fprintf(&s, `  <rect class="libzmq" x="%[1]d" y="42" width="12" height="12"/><text class="small" x="%[2]d" y="52">libzmq at both ends</text>
  <rect class="zcurve" x="%[3]d" y="42" width="12" height="12"/><text class="small" x="%[4]d" y="52">zcurve at both ends (below: messages per second)</text>
</svg>
`, plotLeft, plotLeft+18, plotLeft+160, plotLeft+178)
	return s.String(), nil
}

// picture is the path of the plot that belongs to a document.
func picture(document string) string {
	return filepath.Join(filepath.Dir(document), "images", "performance.svg")
}

// draw writes the plot of a document, if it has figures to plot.
func (o output) draw() error {
	if o == "" {
		return nil
	}
	document, err := os.ReadFile(string(o))
	if err != nil {
		return fmt.Errorf("bench: document: %w", err)
	}
	svg, err := plot(string(document))
	if errors.Is(err, errNoFigures) { // -run left them out
		return nil
	}
	if err != nil {
		return fmt.Errorf("bench: document %s: %w", o, err)
	}
	path := picture(string(o))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("bench: plot: %w", err)
	}
	if err := os.WriteFile(path, []byte(svg), 0o644); err != nil {
		return fmt.Errorf("bench: plot: %w", err)
	}
	return nil
}
