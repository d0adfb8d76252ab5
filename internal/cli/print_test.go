package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// writes keeps each write, up to a limit.
type writes struct {
	all   []string
	limit int
}

var errFull = errors.New("full")

func (w *writes) Write(p []byte) (int, error) {
	if len(w.all) == w.limit {
		return 0, errFull
	}
	w.all = append(w.all, string(p))
	return len(p), nil
}

// TestPrint: output that is printed in pieces is written in whole lines.
func TestPrint(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2*together)
	var want strings.Builder
	print := func(out io.Writer) {
		for i := range 1000 {
			fmt.Fprintf(out, "line %d", i)
			if i%7 == 0 {
				fmt.Fprint(out, "  with more")
			}
			if i == 500 {
				fmt.Fprint(out, long)
			}
			fmt.Fprintln(out)
		}
		fmt.Fprint(out, "the end")
	}
	print(&want)
	out := &writes{limit: -1}
	cmd := new(cobra.Command)
	cmd.SetOut(out)
	if err := Print(cmd, print); err != nil {
		t.Fatal(err)
	}
	if strings.Join(out.all, "") != want.String() {
		t.Error("something else was written")
	}
	for i, s := range out.all {
		if !strings.HasSuffix(s, "\n") && i < len(out.all)-1 {
			t.Errorf("half a line is written: …%s", s[max(0, len(s)-20):])
		}
		if len(s) > together && strings.Count(s, "\n") > 1 {
			t.Errorf("%d bytes at once", len(s))
		}
	}
	if n := len(out.all); n > 8 {
		t.Errorf("%d writes", n)
	}

	full := &writes{limit: 2}
	cmd.SetOut(full)
	if err := Print(cmd, print); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
	if len(full.all) != 2 {
		t.Errorf("%d writes after an error", len(full.all)-2)
	}
	if err := Print(cmd, func(io.Writer) {}); err != nil {
		t.Errorf("nothing is printed: %v", err)
	}
}
