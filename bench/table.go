package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// median returns the median of the values. There must be at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// figures returns the figures of one column.
func figures(samples []sample, column int) []float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, s[column])
	}
	return values
}

// ratio returns the median of the ratios to a base in each round, since a busy machine slows
// both in a round.
func ratio(values, base []float64) float64 {
	var ratios []float64
	for i := range values {
		ratios = append(ratios, values[i]/base[i])
	}
	return median(ratios)
}

// markdown returns the table of a section.
func (s *section) markdown(rows []measured) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", strings.ToUpper(s.name[:1])+s.name[1:], s.note)
	heads, rules := "| | |", "|---|---|"
	for _, c := range s.columns {
		heads, rules = heads+" "+c.name+" |", rules+"--:|"
		if c.spread {
			heads, rules = heads+" min–max |", rules+"--:|"
		}
		if c.ratio {
			heads, rules = heads+" ratio |", rules+"--:|"
		}
	}
	b.WriteString(heads + "\n" + rules + "\n")
	for _, r := range rows {
		name := r.name
		for i, v := range r.variants {
			fmt.Fprintf(&b, "| %s | %s |", name, v.name)
			name = "" // in the first line only
			for j, c := range s.columns {
				values := figures(r.samples[i], j)
				fmt.Fprintf(&b, " %s |", number(median(values)))
				if c.spread {
					fmt.Fprintf(&b, " %s–%s |", number(slices.Min(values)), number(slices.Max(values)))
				}
				if c.ratio {
					fmt.Fprintf(&b, " %.2f |", ratio(values, figures(r.samples[0], j)))
				}
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// number formats a figure with three significant digits, and commas between thousands.
func number(v float64) string {
	switch {
	case math.Abs(v) < 0.0005:
		return "0"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	unit := math.Pow10(max(0, int(math.Log10(v))-2))
	digits := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
