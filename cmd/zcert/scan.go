package main

import (
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/zap"
)

func newScan() *cobra.Command {
	var asJSON, network, quiet bool
	var jobs, rate int
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "scan HOST:PORTS...",
		Short: "Find ZeroMQ endpoints that are open or not encrypted",
		Long: `Scan finds out which ports speak ZeroMQ, and with which security mechanism. It is
for your own systems: a scan of others can be against the law.

PORTS is a port, a range such as 5000-6000, or a list of both, separated by commas.
With --network, HOST can be a network, such as 192.0.2.0/24.

Scan exchanges greetings only, and shows the type of socket where it is told without
admission. It exits 1 if any endpoint offers NULL or PLAIN, which do not encrypt.`,
		Example: `  zcert scan localhost:1-65535
  zcert scan server.example:5555,5560-5570 --json
  zcert scan --network 192.0.2.0/24:5555`,
		Args: cli.SomeArgs("HOST:PORTS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if jobs < 1 || rate < 0 || timeout <= 0 {
				return cli.Usagef("--jobs, --rate and --timeout must not be negative, and only --rate can be 0")
			}
			var targets []target
			count := 0
			for _, arg := range args {
				t, err := parseTarget(arg, network)
				if err != nil {
					return err
				}
				targets = append(targets, t)
				count += t.count()
			}
			bar := cli.Progress(cmd, count, "scanning", quiet || asJSON)
			var all []probe.Found
			probe.Scan(cmd.Context(), addresses(targets), probe.ScanConfig{
				Jobs: jobs, Rate: rate, Timeout: timeout, Done: func() { bar.Add(1) },
			}, func(f probe.Found) { all = append(all, f) })
			bar.Finish()
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			slices.SortFunc(all, func(a, b probe.Found) int { return compareAddresses(a.Address, b.Address) })
			return reportScan(cmd, all, count, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&network, "network", false, "accept networks, such as 192.0.2.0/24:5555")
	flags.IntVar(&jobs, "jobs", 256, "connect to `N` ports at a time")
	flags.IntVar(&rate, "rate", 20000, "connect to at most `N` ports a second; 0 means no limit")
	flags.DurationVar(&timeout, "timeout", time.Second, "wait at most `DURATION` for each connection, and for its answer")
	flags.BoolVar(&asJSON, "json", false, "print a line of JSON for each endpoint")
	quietFlag(cmd, &quiet)
	return cmd
}

// portRange is a range of ports.
type portRange struct{ first, last int }

// target is what one argument names: a host or a network, and ports.
type target struct {
	host    string
	network netip.Prefix // valid in place of host
	ports   []portRange
}

// maxHosts bounds the hosts of one network.
const maxHosts = 1 << 16

func parseTarget(arg string, network bool) (t target, err error) {
	i := strings.LastIndexByte(arg, ':')
	if i < 0 {
		return t, cli.Hint(cli.Usagef("%q: must be HOST:PORTS", arg), "add the ports: "+cli.Quote(arg+":5555"))
	}
	t.host = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(arg[:i], "tcp://"), "["), "]")
	if t.host == "" {
		return t, cli.Usagef("%q: no host before the colon", arg)
	}
	if strings.Contains(t.host, "/") {
		if !network {
			return t, cli.Hint(cli.Usagef("%q is a network", arg), "to scan all of it, pass --network")
		}
		if t.network, err = netip.ParsePrefix(t.host); err != nil {
			return t, cli.Usagef("%q: not a network: expected one such as 192.0.2.0/24", arg)
		}
		t.network = t.network.Masked()
		if bits := t.network.Addr().BitLen() - t.network.Bits(); bits > 16 {
			return t, cli.Usagef("%q: more than %d hosts", arg, maxHosts)
		}
	}
	for _, text := range strings.Split(arg[i+1:], ",") {
		low, high, isRange := strings.Cut(text, "-")
		r := portRange{}
		r.first, err = strconv.Atoi(low)
		if r.last = r.first; err == nil && isRange {
			r.last, err = strconv.Atoi(high)
		}
		if err != nil || r.first < 1 || r.last > 65535 || r.first > r.last {
			return t, cli.Usagef("%q: ports must be from 1 to 65535, such as 5555 or 5000-6000", arg)
		}
		t.ports = append(t.ports, r)
	}
	return t, nil
}

// count returns how many addresses there are.
func (t target) count() int {
	n := 0
	for _, r := range t.ports {
		n += r.last - r.first + 1
	}
	if t.network.IsValid() {
		n <<= t.network.Addr().BitLen() - t.network.Bits()
	}
	return n
}

// hosts returns the hosts of a target.
func (t target) hosts() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !t.network.IsValid() {
			yield(t.host)
			return
		}
		for a := t.network.Addr(); t.network.Contains(a); a = a.Next() {
			if !yield(a.String()) {
				return
			}
		}
	}
}

// addresses returns the addresses of all targets.
func addresses(targets []target) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, t := range targets {
			for host := range t.hosts() {
				for _, r := range t.ports {
					for port := r.first; port <= r.last; port++ {
						if !yield(net.JoinHostPort(host, strconv.Itoa(port))) {
							return
						}
					}
				}
			}
		}
	}
}

// compareAddresses sorts by host, and then by port.
func compareAddresses(a, b string) int {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if hostA != hostB {
		ipA, errA := netip.ParseAddr(hostA)
		ipB, errB := netip.ParseAddr(hostB)
		if errA == nil && errB == nil {
			return ipA.Compare(ipB)
		}
		return strings.Compare(hostA, hostB)
	}
	numberA, _ := strconv.Atoi(portA)
	numberB, _ := strconv.Atoi(portB)
	return numberA - numberB
}

// foundJSON is an endpoint that scan has found.
type foundJSON struct {
	Endpoint   string `json:"endpoint"`
	Version    string `json:"version"`
	Mechanism  string `json:"mechanism"`
	AsServer   bool   `json:"as_server"`
	SocketType string `json:"socket_type,omitempty"`
}

// reportScan prints what a scan has found, and returns an error if any of it is open.
func reportScan(cmd *cobra.Command, all []probe.Found, count int, asJSON bool) error {
	open := 0
	lines := make([]foundJSON, len(all))
	for i, f := range all {
		lines[i] = foundJSON{"tcp://" + f.Address, f.Version, f.Mechanism, f.AsServer, f.SocketType}
		if f.Mechanism == zap.Null || f.Mechanism == zap.Plain || f.Mechanism == "" {
			open++
		}
	}
	err := printScan(cmd, lines, asJSON)
	if err != nil {
		return err
	}
	cli.Note(cmd, "%d of %d ports speak ZeroMQ", len(all), count)
	if open > 0 {
		return cli.Hint(fmt.Errorf("%d of %d endpoints are not encrypted", open, len(all)), "see why, and what to do: zcert probe ENDPOINT --expect curve")
	}
	return nil
}

func printScan(cmd *cobra.Command, lines []foundJSON, asJSON bool) error {
	if asJSON {
		return printJSON(cmd, lines...)
	}
	return cli.Print(cmd, func(out io.Writer) {
		if len(lines) == 0 {
			return
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ENDPOINT\tMECHANISM\tZMTP\tROLE\tTYPE")
		for _, f := range lines {
			role, socketType := "-", "-"
			if f.AsServer {
				role = "server"
			}
			if f.SocketType != "" {
				socketType = printable(f.SocketType)
			}
			mechanism := printable(f.Mechanism)
			if mechanism == "" {
				mechanism = "none"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Endpoint, mechanism, f.Version, role, socketType)
		}
		table.Flush()
	})
}
