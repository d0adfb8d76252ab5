package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestContrast: the colors of the page have the contrast of WCAG 2, level AA, in light and dark:
// 4.5 for text, and 3 for the bars of the plot.
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := files.ReadFile("files/style.css")
	ztest.Must(t, err)
	light, dark, found := strings.Cut(string(css), "prefers-color-scheme: dark")
	if !found {
		t.Fatal("no dark colors")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			colors[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"ink", "card", 4.5}, {"ink", "back", 4.5}, {"ink", "code", 4.5}, {"ink", "bad-back", 4.5},
			{"soft", "card", 4.5}, {"soft", "back", 4.5}, {"soft", "code", 4.5}, {"link", "back", 4.5},
			{"good", "good-back", 4.5}, {"bad", "bad-back", 4.5}, {"soon", "soon-back", 4.5}, {"fail", "fail-back", 4.5}, {"bad", "back", 4.5},
			{"bar-good", "card", 3}, {"bar-bad", "card", 3}, {"bar-soon", "card", 3}, {"bar-fail", "card", 3},
		} {
			front, ok1 := colors[pair.front]
			back, ok2 := colors[pair.back]
			contrast := (max(front, back) + 0.05) / (min(front, back) + 0.05)
			if !ok1 || !ok2 || contrast < pair.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %v", scheme, pair.front, pair.back, contrast, pair.least)
			}
		}
	}
}

// luminance is the relative luminance of an sRGB color, as WCAG defines it.
func luminance(t *testing.T, rgb string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(rgb[2*i:2*i+2], 16, 8)
		ztest.Must(t, err)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
