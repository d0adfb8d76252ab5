package cli

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestManual: a page has the content of its command's help, and its own sections.
func TestManual(t *testing.T) {
	t.Parallel()
	root := Root(&cobra.Command{Use: "program", Short: "Do things"}, "program run")
	run := &cobra.Command{
		Use:     "run FILE",
		Short:   "Run a file",
		Long:    "Run runs a file:\n\n  .x\ty\\z",
		Example: "  program run --fast 'a b'",
		Run:     func(*cobra.Command, []string) {},
	}
	run.Flags().String("mode", "slow", "run in `MODE`")
	run.Flags().Bool("fast", false, "run fast")
	root.AddCommand(run, &cobra.Command{Use: "stop", Short: "Stop", Run: run.Run})
	texts := fstest.MapFS{
		"man/program-run.1.md":  {Data: []byte("# EXIT STATUS\n\n7\n: Too fast.\n\n# FILES\n\nx\n: A **file**.\n")},
		"man/program-file.5.md": {Data: []byte("% \"PROGRAM-FILE\" \"5\" \"\" \"\" \"\"\n\n# NAME\n\nprogram-file - a file\n")},
	}
	pages, err := manual(root, texts)
	ztest.Must(t, err)
	for name, wants := range map[string][]string{
		"program.1":      {".SH COMMANDS\n.TP\n\\fBprogram\\-run\\fP(1)\nRun a file\n", ".SH EXIT STATUS\n.TP\n0\nSuccess.\n", "\\fBprogram\\-stop\\fP(1),\n\\fBprogram\\-file\\fP(5)\n"},
		"program-stop.1": {".SH DESCRIPTION\n.PP\nStop.\n"},
		"program-file.5": {".TH \"PROGRAM-FILE\" \"5\"", ".SH NAME\nprogram-file \\- a file\n"},
		"program-run.1": {
			".TH \"PROGRAM-RUN\" 1", ".SH NAME\nprogram\\-run \\- Run a file\n", ".SH SYNOPSIS\n\\fBprogram run\\fP FILE [flags]\n",
			".PP\nRun runs a file:\n.PP\n.nf\n  .x\ty\\ez\n.fi\n", "\\fB\\-\\-mode\\fP \\fIMODE\\fP\nrun in MODE (default slow)\n",
			"\\fB\\-\\-fast\\fP\nrun fast\n", ".SH EXAMPLES\n.PP\n.nf\n  program run \\-\\-fast 'a b'\n.fi\n",
			".SH EXIT STATUS\n.TP\n7\nToo fast.\n", ".SH FILES\n.TP\nx\nA \\fBfile\\fP", ".SH SEE ALSO\n\\fBprogram\\fP(1),\n\\fBprogram\\-file\\fP(5)\n",
		},
	} {
		for _, want := range wants {
			if !strings.Contains(string(pages[name]), want) {
				t.Errorf("%s: no %q in\n%s", name, want, pages[name])
			}
		}
		if n := strings.Count(string(pages[name]), ".SH EXIT STATUS\n"); n != 1 && strings.HasSuffix(name, ".1") {
			t.Errorf("%s: EXIT STATUS %d times", name, n)
		}
	}

	texts["man/program-walk.1.md"] = &fstest.MapFile{Data: []byte("# FILES\n")}
	if _, err := manual(root, texts); err == nil || err.Error() != "program-walk.1: no such command" {
		t.Errorf("a text for no command: %v", err)
	}
}
