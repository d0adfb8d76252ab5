package main

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
)

// completions complete the values of flags, by name. Other flags that take a value
// complete to files, as shells do by default.
var completions = map[string]cobra.CompletionFunc{
	"listen":       cobra.FixedCompletions([]string{"tcp://", "ipc://"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
	"control":      cobra.FixedCompletions([]string{"tcp://", "ipc://"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
	"publish":      cobra.FixedCompletions([]string{"tcp://", "ipc://"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
	"admit-to":     cli.CompleteKeystore,
	"server-key":   cli.Extensions("key"),
	"sort":         cli.Values("name", "admitted", "refused"),
	"limit":        cobra.NoFileCompletions,
	"name":         cobra.NoFileCompletions,
	"group":        cobra.NoFileCompletions,
	"reason":       cobra.NoFileCompletions,
	"identity":     cobra.NoFileCompletions,
	"keystore":     cli.CompleteKeystore,
	"askers":       cli.CompleteKeystore,
	"policy":       cli.Extensions("zpl"),
	"cert":         cli.Extensions("key_secret", "key"),
	"log-level":    cli.Values("debug", "info", "warn", "error"),
	"log-format":   cli.Values("auto", "text", "json"),
	"socket-mode":  cli.Values("0600", "0660", "0666"),
	"socket-group": cobra.NoFileCompletions,
	"mechanism":    cli.Values(mechanisms...),
	"address":      cobra.NoFileCompletions,
	"key":          cobra.NoFileCompletions,
	"principal":    ofPolicy(func(d policy.Domain) []string { return d.Principals }),
	"domain":       ofPolicy(func(d policy.Domain) []string { return []string{d.Name} }),
	"login": ofPolicy(func(d policy.Domain) (logins []string) {
		for _, a := range d.Accounts {
			logins = append(logins, a.Login)
		}
		return logins
	}),
}

// addCompletions completes the values of the flags of all commands.
func addCompletions(root *cobra.Command) *cobra.Command {
	for _, cmd := range root.Commands() {
		for flag, complete := range completions {
			if cmd.Flags().Lookup(flag) != nil {
				cmd.RegisterFlagCompletionFunc(flag, complete)
			}
		}
	}
	return root
}

// completePolicy completes the first argument to policy files.
func completePolicy(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cli.Extensions("zpl")(cmd, args, typed)
}

// rulesIn returns the rules in a policy file, or nil if it cannot be read or is invalid.
func rulesIn(file string) policy.Rules {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	rules, _ := policy.Parse(file, text)
	return rules
}

// ofPolicy completes to the values that get returns for the domains of the policy in
// --policy.
func ofPolicy(get func(policy.Domain) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		file, _ := cmd.Flags().GetString("policy")
		var found []string
		for _, domain := range rulesIn(file) {
			found = append(found, get(domain)...)
		}
		slices.Sort(found)
		found = slices.DeleteFunc(slices.Compact(found), func(s string) bool { return s == "" })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
