package cli

import (
	"io"
	"os"

	"github.com/spf13/cobra"
)

// ReadSecret reads at most limit bytes from a file, which can be a pipe, or from stdin
// if file is "-". A signal ends the wait.
func ReadSecret(cmd *cobra.Command, file string, limit int64) ([]byte, error) {
	return Await(cmd.Context(), func() ([]byte, error) {
		in := cmd.InOrStdin()
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			in = f
		}
		return io.ReadAll(io.LimitReader(in, limit))
	})
}
