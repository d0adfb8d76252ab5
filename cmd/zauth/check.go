package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
)

func newCheck() *cobra.Command {
	var f ruleFlags
	var quiet bool
	cmd := &cobra.Command{
		Use:        "check FILE",
		Short:      "Check a policy file for errors",
		SuggestFor: []string{"validate", "verify", "test", "lint"},
		Long: `Check reads a policy, its keystores and its revocation lists. If they are valid, it
prints what the policy serves. Otherwise, it prints every error with its line and
column.

Check warns of settings that work but are unsafe or probably a mistake: groups
without members, revocation lists about to expire, files that other users can change.

Check exits 0 if zauth can serve the policy, and 1 if not.`,
		Example: `  zauth check policy.zpl
  zauth check policy.zpl --strict --quiet && systemctl reload zauth`,
		Args:              cli.OneArg("FILE"),
		ValidArgsFunction: completePolicy,
		RunE: func(cmd *cobra.Command, args []string) error {
			summary, err := policy.Check(args[0], policy.Options{State: f.statePath("")})
			for _, w := range summary.Warnings {
				cli.Warn(cmd, "%s", w)
			}
			if err != nil {
				return printFaults(cmd, args[0], err)
			}
			if f.strict {
				exposed, err := policy.Exposed(args[0])
				if err != nil {
					return err
				}
				if len(exposed) > 0 {
					return fmt.Errorf("%s: other users can change files that decide, or read passwords: %s", args[0], count(len(exposed), "place"))
				}
			}
			if !quiet {
				printSummary(cmd, args[0], summary)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail if other users can change the files that decide, or read passwords in them")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print only warnings and errors")
	f.addState(cmd.Flags())
	return cmd
}

// printFaults prints each fault of an invalid policy, as compilers do. It returns an
// error that counts them, or err itself if it has no position in the policy.
func printFaults(cmd *cobra.Command, file string, err error) error {
	var faults interface{ Unwrap() []error }
	if !errors.As(err, new(*cert.SyntaxError)) || !errors.As(err, &faults) {
		return err
	}
	for _, fault := range faults.Unwrap() {
		cli.Note(cmd, "%s", cli.Message(fault))
	}
	return fmt.Errorf("%s: %s", file, count(len(faults.Unwrap()), "error"))
}

// printSummary prints what a valid policy admits, by domain.
func printSummary(cmd *cobra.Command, file string, s policy.Summary) {
	domains := "domain"
	if len(s.Domains) > 1 {
		domains = "domains"
	}
	mechanisms := "no mechanisms"
	if len(s.Mechanisms) > 0 {
		mechanisms = "mechanisms " + strings.Join(s.Mechanisms, ", ")
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s: %s %s; %s; %s in %s, %s\n", file, cli.NewPainter(cmd).Good("valid"),
		domains, strings.Join(s.Domains, ", "), mechanisms,
		countOf(s.Identities, "identity", "identities"), count(s.Groups, "group"), count(s.Accounts, "account"))
}

// count formats a number of things.
func count(n int, thing string) string { return countOf(n, thing, thing+"s") }

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
