package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
)

func newClients() *cobra.Command {
	var f askFlags
	req := control.Request{Command: control.CommandClients}
	cmd := &cobra.Command{
		Use:        "clients [SEARCH]",
		Short:      "List the clients of a running zauth",
		SuggestFor: []string{"who", "ls", "list", "users", "sessions"},
		Long: `Clients lists the clients that asked zauth since it started: identities, accounts
and unknown keys. It prints when each was last admitted and refused, from where, by
which service, and why it was refused.

SEARCH selects clients by a part of their name, key, fingerprint, domain or last
address. Zauth remembers the clients that it has seen last.`,
		Example: `  zauth clients
  zauth clients 192.0.2. --sort refused
  zauth clients alice --json`,
		Args:              atMostOne("SEARCH"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Search = strings.Join(args, "")
			return f.list(cmd, req, printClients)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&req.Sort, "sort", "name", "sort by `ORDER`: name, admitted or refused, the latest first")
	addLimit(cmd, &req)
	return cmd
}

func newPending() *cobra.Command {
	var f askFlags
	req := control.Request{Command: control.CommandPending}
	cmd := &cobra.Command{
		Use:        "pending [SEARCH]",
		Short:      "List the unknown keys that zauth has refused",
		SuggestFor: []string{"requests", "unknown", "waiting", "queue"},
		Long: `Pending lists the clients with unknown keys that zauth has refused, the latest first,
with the command that admits each. Compare the fingerprint with the one that "zcert
fingerprint" prints for the owner of the key before you admit it.

SEARCH selects keys by a part of the key, its fingerprint, the domain or the address.`,
		Example: `  zauth pending
  zauth pending 192.0.2.7`,
		Args:              atMostOne("SEARCH"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Search = strings.Join(args, "")
			return f.list(cmd, req, printPending)
		},
	}
	f.add(cmd.Flags())
	addLimit(cmd, &req)
	return cmd
}

// list asks for clients, and prints them.
func (f askFlags) list(cmd *cobra.Command, req control.Request, print func(*cobra.Command, control.Clients) error) error {
	if err := checkList(req); err != nil {
		return err
	}
	var found control.Clients
	show, err := f.ask(cmd, req, &found)
	if err != nil || !show {
		return err
	}
	return print(cmd, found)
}

// addLimit adds the flag --limit.
func addLimit(cmd *cobra.Command, req *control.Request) {
	cmd.Flags().IntVar(&req.Limit, "limit", 100, fmt.Sprintf("list at most `NUMBER` clients, 1 to %d", control.MaxLimit))
}

// checkList returns an error if a flag of a list is wrong.
func checkList(req control.Request) error {
	if req.Limit < 1 || req.Limit > control.MaxLimit {
		return cli.Usagef("--limit %d: must be between 1 and %d", req.Limit, control.MaxLimit)
	}
	if _, known := orders[req.Sort]; !known && req.Sort != "" {
		return cli.Usagef("--sort %q: must be name, admitted or refused", req.Sort)
	}
	return nil
}

// atMostOne refuses more than one argument, which help calls name.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return cli.OneArg(name)(cmd, args)
		}
		return nil
	}
}

// printClients prints a table of clients.
func printClients(cmd *cobra.Command, found control.Clients) error {
	now := time.Now()
	return cli.Print(cmd, func(out io.Writer) {
		if len(found.Clients) == 0 {
			fmt.Fprintln(out, "no clients")
			return
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "CLIENT\tADMITTED\tREFUSED\tFROM\tBY\tWHY REFUSED")
		for _, c := range found.Clients {
			last := latest(c)
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", cli.Printable(cmp.Or(nameOf(c), c.Fingerprint)), lastTime(c.Admitted, now), lastTime(c.Refused, now),
				dash(last.Address), dash(askedBy(last)), refusal(c.Refused))
		}
		table.Flush()
		printMore(out, found)
	})
}

// printPending prints the unknown keys, and how to admit each.
func printPending(cmd *cobra.Command, found control.Clients) error {
	now, paint := time.Now(), cli.NewPainter(cmd)
	return cli.Print(cmd, func(out io.Writer) {
		if len(found.Clients) == 0 {
			fmt.Fprintln(out, "no unknown key is pending")
			return
		}
		for _, c := range found.Clients {
			last := latest(c)
			fmt.Fprintln(out, paint.Head(c.Fingerprint))
			fmt.Fprintf(out, "  key      %s\n", c.Key)
			fmt.Fprintf(out, "  asked    %s from %s, last %s\n", count(int(c.Refusals), "time"), dash(last.Address), moment(last.Time, now))
			fmt.Fprintf(out, "  service  %s\n", dash(askedBy(last)))
			if c.Admit != "" {
				fmt.Fprintf(out, "  admit    %s\n", c.Admit)
			} else {
				fmt.Fprintln(out, "  admit    add its certificate to a keystore of this domain: zcert store add URL FILE")
			}
		}
		printMore(out, found)
	})
}

// printMore prints how many clients the list leaves out.
func printMore(out io.Writer, found control.Clients) {
	if more := found.Total - len(found.Clients); more > 0 {
		fmt.Fprintf(out, "and %d more: list them with --limit, or search\n", more)
	}
}

// latest returns the last decision about a client.
func latest(c monitor.Client) monitor.Last {
	switch {
	case c.Admitted == nil && c.Refused == nil:
		return monitor.Last{}
	case c.Refused == nil || c.Admitted != nil && c.Admitted.Time.After(c.Refused.Time):
		return *c.Admitted
	}
	return *c.Refused
}

// askedBy names the service that asked, and its domain.
func askedBy(l monitor.Last) string {
	if l.Domain == "" {
		return l.Asker
	}
	return strings.TrimPrefix(l.Asker+", "+l.Domain, ", ")
}

func lastTime(l *monitor.Last, now time.Time) string {
	if l == nil {
		return "never"
	}
	return moment(l.Time, now)
}

// refusal returns why a client was refused last.
func refusal(l *monitor.Last) string {
	if l == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", l.Reason, l.Rule)
}

func dash(text string) string { return cmp.Or(text, "-") }
