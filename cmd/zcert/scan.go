package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/zap"
)

func newScan() *cobra.Command {
	var asJSON, network, quiet bool
	var cfg probe.ScanConfig
	cmd := &cobra.Command{
		Use:   "scan HOST:PORTS...",
		Short: "Find ZeroMQ endpoints that are open or not encrypted",
		Long: `Scan finds out which ports speak ZeroMQ, and with which security mechanism. It is
for your own systems: a scan of others can be against the law.

PORTS is a port, a range such as 5000-6000, or a list of both, separated by commas.
With --network, HOST can be a network, such as 192.0.2.0/24. Scan connects to at most
1,048,576 ports, and for each that does not answer it waits for --timeout.

Scan exchanges greetings only, and shows the type of socket where it is told without
admission: a CURVE or PLAIN server tells it to admitted clients only, and libzmq does
not tell its role. Scan exits 1 if any endpoint offers NULL or PLAIN, which do not
encrypt, or if it could not try a port.`,
		Example: `  zcert scan localhost:1-65535
  zcert scan server.example:5555,5560-5570 --json
  zcert scan --network 192.0.2.0/24:5555`,
		Args: cli.SomeArgs("HOST:PORTS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cfg.Jobs < 1 || cfg.Rate < 0 || cfg.Timeout <= 0 {
				return cli.Usagef("--jobs, --rate and --timeout must not be negative, and only --rate can be 0")
			}
			targets, count, err := parseTargets(cmd.Context(), args, network)
			if err != nil {
				return err
			}
			bar := cli.Progress(cmd, count, "scanning", quiet || asJSON)
			cfg.Done = func() { bar.Add(1) }
			var all []probe.Found
			untried := probe.Scan(cmd.Context(), addresses(targets), cfg, func(f probe.Found) { all = append(all, f) })
			bar.Finish()
			if ctx := cmd.Context(); ctx.Err() != nil {
				return context.Cause(ctx)
			}
			slices.SortFunc(all, func(a, b probe.Found) int { return a.Address.Compare(b.Address) })
			all = slices.CompactFunc(all, func(a, b probe.Found) bool { return a.Address == b.Address })
			err = reportScan(cmd, all, count, asJSON)
			if untried == nil {
				return err
			}
			if err != nil {
				cli.Warn(cmd, "%v", untried)
				return err
			}
			return cli.Hint(untried, "scan again with fewer connections at a time: --jobs 16")
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&network, "network", false, "accept networks, such as 192.0.2.0/24:5555")
	flags.IntVar(&cfg.Jobs, "jobs", 256, "connect to `N` ports at a time")
	flags.IntVar(&cfg.Rate, "rate", 2000, "connect to at most `N` ports of other machines a second; 0 means no limit")
	flags.DurationVar(&cfg.Timeout, "timeout", time.Second, "wait at most `DURATION` for each connection, and for its answer")
	flags.BoolVar(&asJSON, "json", false, "print a line of JSON for each endpoint")
	quietFlag(cmd, &quiet)
	return cmd
}

// foundJSON is an endpoint that scan has found.
type foundJSON struct {
	Endpoint   string `json:"endpoint"`
	Version    string `json:"version"`
	Mechanism  string `json:"mechanism"`
	AsServer   bool   `json:"as_server"`
	SocketType string `json:"socket_type,omitempty"`
}

// endpointOf returns the endpoint of an address.
func endpointOf(a netip.AddrPort) string { return "tcp://" + a.String() }

// reportScan prints what a scan has found, and returns an error if any of it is open.
func reportScan(cmd *cobra.Command, all []probe.Found, count int, asJSON bool) error {
	var open []probe.Found
	for _, f := range all {
		if f.Mechanism == zap.Null || f.Mechanism == zap.Plain || f.Mechanism == "" {
			open = append(open, f)
		}
	}
	if err := printScan(cmd, all, asJSON); err != nil {
		return err
	}
	cli.Note(cmd, "%d of %d ports speak ZeroMQ", len(all), count)
	if len(open) == 0 {
		return nil
	}
	return cli.Hintf(fmt.Errorf("%d of %d endpoints are not encrypted", len(open), len(all)),
		"see what to do: zcert probe %s --expect curve", endpointOf(open[0].Address))
}

func printScan(cmd *cobra.Command, all []probe.Found, asJSON bool) error {
	if asJSON {
		lines := make([]foundJSON, len(all))
		for i, f := range all {
			lines[i] = foundJSON{endpointOf(f.Address), f.Version, f.Mechanism, f.AsServer, f.SocketType}
		}
		return printJSON(cmd, lines...)
	}
	return cli.Print(cmd, func(out io.Writer) {
		if len(all) == 0 {
			return
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ENDPOINT\tMECHANISM\tZMTP\tROLE\tTYPE")
		for _, f := range all {
			mechanism, role, socketType := cli.Printable(f.Mechanism), "unknown", "unknown"
			switch {
			case f.AsServer:
				role = "server"
			case f.Mechanism == zap.Null || f.Mechanism == "":
				role = "-" // has none
			}
			if f.Mechanism == "" {
				mechanism = "none"
			}
			if f.SocketType != "" {
				socketType = cli.Printable(f.SocketType)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", endpointOf(f.Address), mechanism, f.Version, role, socketType)
		}
		table.Flush()
	})
}
