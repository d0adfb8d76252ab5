package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
)

func newCheck() *cobra.Command {
	var f ruleFlags
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a policy file for errors",
		Long: `Check reads a policy, its keystores and its revocation lists, and prints every error
with its line and column. It warns of settings that work but are unsafe or probably a
mistake: groups without members, revocation lists about to expire, files that other
users can change. Check exits 0 if zauth can serve the policy, and 1 if not.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			warnings, err := policy.Check(args[0], policy.Options{State: f.statePath("")})
			for _, w := range warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "zauth: warning: %s\n", w)
			}
			var faults interface{ Unwrap() []error }
			if errors.As(err, new(*cert.SyntaxError)) && errors.As(err, &faults) {
				for _, fault := range faults.Unwrap() {
					fmt.Fprintln(cmd.ErrOrStderr(), fault)
				}
				return fmt.Errorf("%s: %s", args[0], count(len(faults.Unwrap()), "error"))
			}
			if err != nil || !f.strict {
				return err
			}
			exposed, err := policy.Exposed(args[0])
			if err == nil && len(exposed) > 0 {
				err = fmt.Errorf("%s: other users can change what decides, or read passwords: %s", args[0], count(len(exposed), "place"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail if other users can change the files that decide, or read passwords in them")
	f.addState(cmd.Flags())
	return cmd
}

// count formats a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
