package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Man is a hidden command that writes the manual pages of a program into a
// directory: one for each command.
func Man(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Args:   OneArg("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("writing manual pages failed: %w", err)
			}
			root.DisableAutoGenTag = true // the same commands give the same pages
			header := &doc.GenManHeader{Section: "1", Source: "zcurve", Manual: "zcurve"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("writing manual pages failed: %w", err)
			}
			return nil
		},
	}
}
