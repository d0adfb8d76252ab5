package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/zap"
)

func newAdmit() *cobra.Command {
	var f askFlags
	req := control.Request{Command: control.CommandAdmit}
	cmd := &cobra.Command{
		Use:        "admit KEY|FINGERPRINT",
		Short:      "Admit a client whose key is unknown",
		SuggestFor: []string{"accept", "allow", "add", "approve"},
		Long: `Admit adds a client's public key to the keystore that zauth serve names with
--admit-to, under the name that you give it. It then prints what zauth decides about
the client.

A fingerprint names a key that zauth pending lists. Compare it with the one that
"zcert fingerprint" prints for the owner of the key. A key that has not asked yet must
be given as a whole. Put a key that begins with - after all flags and --.

Admit exits 0 if zauth now admits the client, or does not know where it will connect,
and 1 if something still refuses the client.`,
		Example: `  zauth admit SHA256:YNcQoZ9VCyQNwxMWZOOmPEBMiQCGVqfQYgMLqk8xPP4 --name alice
  zauth admit --name bob --group traders -- '-&){[nc:0D^D}iRR]h6h%=qcvXD%Accf@NX-sed'`,
		Args:              cli.OneArg("KEY|FINGERPRINT"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Client = args[0]
			if req.Name == "" {
				return cli.Hint(cli.Usagef("missing --name"), "name the client: --name NAME")
			}
			var done control.Changed
			show, err := f.ask(cmd, req, &done)
			if err != nil {
				return err
			}
			if show {
				err = cli.Print(cmd, func(out io.Writer) { printAdmitted(out, cli.NewPainter(cmd), done) })
			}
			if last := done.Decision; err == nil && last != nil && last.Status != int(zap.StatusOK) {
				err = cli.Hint(fmt.Errorf("still refused in %s: %s", domainName(last.Domain), last.Reason), "the rule that refuses it: "+last.Rule)
			}
			return err
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&req.Name, "name", "", "name the client `NAME`")
	cmd.Flags().StringArrayVar(&req.Groups, "group", nil, "add the client to `GROUP`; repeatable")
	return cmd
}

// printAdmitted prints what admit has done.
func printAdmitted(out io.Writer, paint cli.Painter, done control.Changed) {
	fmt.Fprintf(out, "%s %s %s, in %s\n", paint.Good("added:"), done.Name, done.Fingerprint, done.Keystore)
	switch last := done.Decision; {
	case last == nil:
		fmt.Fprintln(out, "this client has not asked yet, so zauth does not know in which domain it will")
	case last.Status == int(zap.StatusOK):
		fmt.Fprintf(out, "zauth admits it now in %s (%s)\n", domainName(last.Domain), last.Rule)
	}
}

// domainName names a ZAP domain, which may be empty.
func domainName(domain string) string {
	if domain == "" {
		return "the domain \"\""
	}
	return "domain " + domain
}

func newDeny() *cobra.Command {
	var f askFlags
	req := control.Request{Command: control.CommandDeny}
	cmd := &cobra.Command{
		Use:        "deny KEY|FINGERPRINT|NAME",
		Short:      "Refuse a client from now on",
		SuggestFor: []string{"reject", "refuse", "block", "ban", "revoke", "kick"},
		Long: `Deny revokes a client's key in the keystore that zauth serve names with --admit-to.
Every domain refuses the key from now on, also after a restart. The client loses its
connections to services in pure Go.

NAME is the client's name in that keystore. "zcert store unrevoke" lifts the
revocation. Put a key that begins with - after all flags and --.`,
		Example: `  zauth deny alice --reason "laptop stolen"
  zauth deny SHA256:YNcQoZ9VCyQNwxMWZOOmPEBMiQCGVqfQYgMLqk8xPP4`,
		Args:              cli.OneArg("KEY|FINGERPRINT|NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Client = args[0]
			var done control.Changed
			show, err := f.ask(cmd, req, &done)
			if err != nil || !show {
				return err
			}
			return cli.Print(cmd, func(out io.Writer) {
				fmt.Fprintf(out, "%s %s, in %s\n", cli.NewPainter(cmd).Good("revoked:"), strings.TrimSpace(done.Name+" "+done.Fingerprint), done.Keystore)
			})
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&req.Reason, "reason", "", "record `TEXT` as the reason")
	return cmd
}

func newAudit() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:   "audit on|off",
		Short: "Turn the audit log on or off",
		Long: `Audit turns the audit log, which zauth serve names with --audit, on or off. Both logs
record by whom and when. After a restart, the audit log is on. With
--audit-required, it cannot be turned off.`,
		Example: `  zauth audit off
  zauth audit on`,
		Args:      cli.OneArg("on|off"),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "on" && args[0] != "off" {
				return cli.Usage(errors.New(`audit takes "on" or "off"`))
			}
			var state control.AuditState
			show, err := f.ask(cmd, control.Request{Command: control.CommandAudit, State: args[0]}, &state)
			if err != nil || !show {
				return err
			}
			return cli.Print(cmd, func(out io.Writer) { fmt.Fprintln(out, "audit log:", state.Audit) })
		},
	}
	f.add(cmd.Flags())
	return cmd
}
