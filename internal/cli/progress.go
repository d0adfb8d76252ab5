package cli

import (
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// Progress returns a bar for a number of steps, with the time left. It shows nothing if
// quiet is set or stderr is not a terminal.
func Progress(cmd *cobra.Command, count int, what string, quiet bool) *progressbar.ProgressBar {
	if !quiet && count > 1 && IsTerminal(cmd.ErrOrStderr()) {
		return progressbar.Default(int64(count), what)
	}
	return progressbar.DefaultSilent(int64(count))
}
