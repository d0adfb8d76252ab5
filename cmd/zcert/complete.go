package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/keystore"
)

// Kinds of files, by extension.
var (
	certificates = cli.Extensions("key", "key_secret")
	secrets      = cli.Extensions("key_secret")
	locked       = cli.Extensions("key_secret", "authority_secret")
	anyFile      = cli.Extensions("key", "key_secret", "bundle", "authority", "authority_secret", "revoked")
	noFile       = cobra.NoFileCompletions
)

// arguments complete the arguments of commands, by command. Those of other commands
// complete to files, as shells do by default.
var arguments = map[string]cobra.CompletionFunc{
	"gen":            noFile,
	"authority new":  noFile,
	"show":           first(anyFile),
	"fingerprint":    first(anyFile),
	"pubkey":         first(anyFile),
	"lock":           first(locked),
	"unlock":         first(locked),
	"passphrase":     first(locked),
	"sign":           certificates,
	"verify":         certificates,
	"revoke":         certificates,
	"decode":         first(cli.Extensions("pcap", "pcapng")),
	"seal":           first(cli.Extensions("key", "key_secret", "plain")),
	"armor":          first(cli.Extensions("key", "key_secret", "plain")),
	"bundle":         first(secrets),
	"snippet":        completeSnippet,
	"probe":          first(cli.Extensions("bundle")),
	"scan":           noFile,
	"store ls":       first(cli.CompleteKeystore),
	"store export":   first(cli.CompleteKeystore),
	"store add":      afterURL(certificates),
	"store rm":       afterURL(identitiesOf(false)),
	"store revoke":   afterURL(identitiesOf(false)),
	"store unrevoke": afterURL(identitiesOf(true)),
	"store import":   afterURL(nil),
}

// values complete the values of flags, by command and flag, or by flag.
var values = map[string]cobra.CompletionFunc{
	"convert to":       cli.Values(exportNames()...),
	"convert from":     cli.Values("auto", "public-key", "secret-key"),
	"seal to":          cli.Extensions("key"),
	"seal from":        secrets,
	"bundle server":    cli.Extensions("key"),
	"bundle out":       cli.Extensions("bundle"),
	"bundle endpoint":  cobra.FixedCompletions([]string{"tcp://", "ipc://"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
	"open with":        secrets,
	"sign authority":   cli.Extensions("authority_secret"),
	"revoke authority": cli.Extensions("authority_secret"),
	"verify authority": cli.Extensions("authority"),
	"verify revoked":   cli.Extensions("revoked"),
	"revoke list":      cli.Extensions("revoked"),
	"probe server-key": cli.Extensions("key"),
	"probe cert":       secrets,
	"probe login":      cli.Extensions("plain"),
	"probe expect":     cli.Values("curve", "plain", "null"),
	"probe type":       cli.Values(sockettype.All()...),
	"probe wait":       cli.Values("30s", "5m"),
	"timeout":          cli.Values("1s", "5s", "30s"),
	"valid":            cli.Values("1d", "30d", "90d", "365d"),
	"expires-in":       cli.Values("1d", "7d", "30d"),
	"extract out":      cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	"open out":         cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	"group":            completeGroup,
	"meta":             noFile, "count": noFile, "comment": noFile, "serial": noFile,
	"reason": noFile, "key": noFile, "name": noFile,
	"jobs": noFile, "rate": noFile, "bytes": noFile,
}

// addCompletions completes the arguments and flags of all commands.
func addCompletions(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		addCompletions(sub)
	}
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	cmd.ValidArgsFunction = arguments[path]
	for flag, complete := range values {
		of, name, ok := strings.Cut(flag, " ")
		if !ok {
			name = of
		} else if of != path {
			continue
		}
		if cmd.Flags().Lookup(name) != nil {
			cmd.RegisterFlagCompletionFunc(name, complete)
		}
	}
}

// first completes the first argument only.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return noFile(cmd, args, typed)
		}
		return complete(cmd, args, typed)
	}
}

// completeSnippet completes a language, and then a bundle.
func completeSnippet(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return cli.Values(languages()...)(cmd, args, typed)
	case 1:
		return cli.Extensions("bundle")(cmd, args, typed)
	}
	return noFile(cmd, args, typed)
}

// afterURL completes the URL of a keystore, and then other arguments with complete, or
// to files if that is nil.
func afterURL(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return cli.CompleteKeystore(cmd, args, typed)
		case complete == nil:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return complete(cmd, args, typed)
	}
}

// identitiesOf returns a function that completes the names and keys of a keystore's
// identities, or of its revoked keys. A shell offers files if there are none.
func identitiesOf(revoked bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		s, err := keystore.Open(args[0], nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		defer s.Close()
		var all []cobra.Completion
		add := func(name, key string) {
			switch {
			case name != "" && strings.HasPrefix(name, typed):
				all = append(all, name+"\t"+key)
			case typed != "" && strings.HasPrefix(key, typed) || name == "":
				all = append(all, key+"\t"+name)
			}
		}
		if revoked {
			for key, r := range s.Revocations() {
				if r.InForce() {
					add(r.Name, key.String())
				}
			}
		} else {
			for id := range s.All() {
				add(id.Name, id.Key().String())
			}
		}
		slices.Sort(all)
		return all, cobra.ShellCompDirectiveDefault
	}
}

// completeGroup completes to the groups of the keystore that the first argument names.
func completeGroup(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := keystore.Open(args[0], nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer s.Close()
	var groups []string
	for id := range s.All() {
		groups = append(groups, id.Groups...)
	}
	slices.Sort(groups)
	return slices.Compact(groups), cobra.ShellCompDirectiveNoFileComp
}
