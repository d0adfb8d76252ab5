package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
)

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Tell all that is wrong with a policy",
		Long: `Check reads a policy, and the keystores and lists that it names, and tells every
fault with its place. What works and is unwise it warns of. The exit code is 0 if
the policy can be served, and 1 if not.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			warnings, err := policy.Check(args[0], policy.Options{})
			for _, w := range warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
			}
			var faults policy.Errors
			if errors.As(err, &faults) {
				for _, fault := range faults {
					fmt.Fprintln(cmd.ErrOrStderr(), fault)
				}
				return fmt.Errorf("%s: %d faults", args[0], len(faults))
			}
			return err
		},
	}
}
