package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestPlotIsCurrent checks that the picture in docs/ shows the figures of the table.
func TestPlotIsCurrent(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/performance.md")
	ztest.Must(t, err)
	want, err := plot(string(document))
	ztest.Must(t, err)
	got, err := os.ReadFile(picture("../docs/performance.md"))
	ztest.Must(t, err)
	if string(got) != want {
		t.Error("docs/images/performance.svg does not show the table of docs/performance.md: run go run ./bench -plot")
	}
	for decoder := xml.NewDecoder(strings.NewReader(want)); ; {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	ztest.WriteFile(t, path, `
### Throughput

| NULL 64 B | libzmq → libzmq | 1 | 1–1 | 1.00 | 1 |
|  | zcurve → zcurve | 3 | 3–3 | 3.00 | 3 |
| CURVE 64 B | libzmq → libzmq | 1,180,000 | 1–2 | 1.00 | 75.4 |
|  | zcurve → zcurve | 2,590,000 | 2–3 | 2.20 | 166 |
|  | zcurve → libzmq | 1,180,000 | 1–2 | 1.01 | 75.8 |

### Limit
`)
	ztest.Must(t, output(path).draw())
	svg, err := os.ReadFile(picture(path))
	ztest.Must(t, err)
	for _, want := range []string{"64 B 2.20.", ">2,590,000/s<", "libzmq: 1,180,000 messages/s"} {
		if strings.Count(string(svg), want) != 1 {
			t.Errorf("the plot does not have %q once:\n%s", want, svg)
		}
	}
}

func TestNothingToPlot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	ztest.WriteFile(t, path, "\n### Throughput\n\n| NULL 64 B | libzmq → libzmq | 1 | 1–1 | 1.00 | 1 |\n")
	ztest.Must(t, output(path).draw())
	if _, err := os.Stat(picture(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a plot of nothing: %v", err)
	}
}
