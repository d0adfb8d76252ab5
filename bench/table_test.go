package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
	}
}

// TestRatio simulates a machine that is twice as slow in the second round.
func TestRatio(t *testing.T) {
	t.Parallel()
	if got := ratio([]float64{30, 15, 33}, []float64{10, 5, 10}); got != 3 {
		t.Errorf("ratio %v, want 3", got)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 0.0004: "0", 0.12345: "0.123", 1.005: "1.00", 9.876: "9.88", 12.34: "12.3",
		100: "100", 999.4: "999", 1000: "1,000", 1234: "1,230", 45678: "45,700", 1234567: "1,230,000", -5: "-5.000",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %s, want %s", v, got, want)
		}
	}
}

func TestReplaceGenerated(t *testing.T) {
	t.Parallel()
	got, err := replaceGenerated("# A\n<!-- bench: begin -->\nold\n<!-- bench: end -->\n# B\n", "\nnew\n")
	want := "# A\n<!-- bench: begin -->\n\nnew\n\n<!-- bench: end -->\n# B\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if again, err := replaceGenerated(got, "new"); err != nil || again != got {
		t.Errorf("the same again gave %q, %v", again, err)
	}
	for _, document := range []string{
		"",
		"<!-- bench: begin -->\n",
		"<!-- bench: end -->\n<!-- bench: begin -->\n",
		"<!-- bench: begin -->\n<!-- bench: end -->\n<!-- bench: begin -->\n<!-- bench: end -->\n",
	} {
		if _, err := replaceGenerated(document, "new"); !errors.Is(err, errMarkers) {
			t.Errorf("document %q: error %v, want errMarkers", document, err)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	destination := output(path)
	if err := destination.check(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no document: %v", err)
	}
	document := "<!-- bench: begin -->\nold\n<!-- bench: end -->\n"
	if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := destination.check(); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != document {
		t.Errorf("the check changed the document into %q", text)
	}
	if err := destination.write("new"); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "<!-- bench: begin -->\n\nnew\n\n<!-- bench: end -->\n" {
		t.Errorf("the document is %q", text)
	}
}
