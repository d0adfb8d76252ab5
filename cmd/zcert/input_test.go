package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

// endless is an endless text.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

// TestMaxText: reading an endless text stops at the limit. Not parallel: it changes the
// limit.
func TestMaxText(t *testing.T) {
	if maxText != 64<<20 {
		t.Errorf("the longest text has %d bytes", maxText)
	}
	defer func(n int) { maxText = n }(maxText)
	maxText = 1000

	file := filepath.Join(t.TempDir(), "text")
	ztest.Must(t, os.WriteFile(file, []byte(strings.Repeat("#", maxText+1)), 0o600))
	for _, args := range [][]string{{"show", "-"}, {"extract", "-"}, {"pubkey", "-"}, {"convert", "-", "--to", "hex"}, {"extract", file}} {
		var out, stderr strings.Builder
		code := cli.Run(t.Context(), newRoot(), args, endless{}, &out, &stderr)
		if code != cli.ExitFailed || !strings.HasSuffix(stderr.String(), " is larger than 1000 bytes\n") || out.Len() > 0 {
			t.Errorf("zcert %q: exit code %d: %s%s", args, code, out.String(), stderr.String())
		}
	}
	text, err := readAll(strings.NewReader(strings.Repeat("#", maxText)), "text")
	if err != nil || len(text) != maxText {
		t.Errorf("%d bytes: %v", len(text), err)
	}
}
