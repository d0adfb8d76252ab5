package main

import (
	"context"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/internal/cli"
)

// Bounds of what one scan connects to.
const (
	maxHosts     = 1 << 16 // of a network
	maxAddresses = 1 << 20 // in all
)

// portRange is a range of ports.
type portRange struct{ first, last int }

// target is a host or a network, and ports: one argument.
type target struct {
	host    string       // a name or an address
	hosts   []netip.Addr // its addresses
	network netip.Prefix // valid in place of a host
	ports   []portRange
}

// parseTargets parses the arguments of scan, and looks up the names of hosts. count is how many
// addresses there are.
func parseTargets(ctx context.Context, args []string, network bool) (targets []target, count int, err error) {
	for _, arg := range args {
		t, err := parseTarget(arg, network)
		if err == nil && t.host != "" {
			t.hosts, err = lookUp(ctx, t.host)
		}
		if err != nil {
			return nil, 0, err
		}
		targets = append(targets, t)
		if count += t.count(); count > maxAddresses {
			return nil, 0, cli.Usagef("%q: more than %d ports in all", arg, maxAddresses)
		}
	}
	return targets, count, nil
}

func parseTarget(arg string, network bool) (t target, err error) {
	i := strings.LastIndexByte(arg, ':')
	if i < 0 {
		return t, cli.Hint(cli.Usagef("%q: must be HOST:PORTS", arg), "add the ports: "+cli.Quote(arg+":5555"))
	}
	host := strings.TrimPrefix(arg[:i], "tcp://")
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok {
			return t, cli.Usagef("%q: no ] before the colon", arg)
		}
	}
	if t.ports, err = parsePorts(arg, arg[i+1:]); err != nil {
		return t, err
	}
	switch {
	case host == "":
		return t, cli.Usagef("%q: no host before the colon", arg)
	case !strings.Contains(host, "/"):
		t.host = host
		return t, nil
	case !network:
		return t, cli.Hint(cli.Usagef("%q is a network", arg), "to scan all of it, pass --network")
	}
	if t.network, err = netip.ParsePrefix(host); err != nil {
		return t, cli.Usagef("%q: not a network: expected one such as 192.0.2.0/24", arg)
	}
	t.network = t.network.Masked()
	if t.network.Addr().BitLen()-t.network.Bits() > 16 {
		return t, cli.Usagef("%q: more than %d hosts", arg, maxHosts)
	}
	return t, nil
}

// parsePorts parses ports and ranges of them, separated by commas.
func parsePorts(arg, text string) (ports []portRange, err error) {
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		r := portRange{}
		r.first, err = strconv.Atoi(low)
		if r.last = r.first; err == nil && isRange {
			r.last, err = strconv.Atoi(high)
		}
		if err != nil || r.first < 1 || r.last > 65535 || r.first > r.last {
			return nil, cli.Usagef("%q: ports must be from 1 to 65535, such as 5555 or 5000-6000", arg)
		}
		ports = append(ports, r)
	}
	return ports, nil
}

// lookUp returns the addresses of a host. As everywhere, localhost is never looked up: a
// resolver could return another machine's address.
func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if strings.EqualFold(host, "localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	hosts, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("%s: %w", cli.Subject(host), err), "check the host name")
	}
	for i := range hosts {
		hosts[i] = hosts[i].Unmap()
	}
	return hosts, nil
}

// count returns how many addresses there are, or more than maxAddresses.
func (t target) count() int {
	ports, hosts := 0, len(t.hosts)
	for _, r := range t.ports {
		ports = min(ports+r.last-r.first+1, maxAddresses+1)
	}
	if t.network.IsValid() {
		hosts = 1 << (t.network.Addr().BitLen() - t.network.Bits())
	}
	return int(min(int64(hosts)*int64(ports), maxAddresses+1))
}

// all returns the hosts of a target.
func (t target) all() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, a := range t.hosts {
			if !yield(a) {
				return
			}
		}
		for a := t.network.Addr(); t.network.Contains(a) && yield(a); a = a.Next() {
		}
	}
}

// addresses returns the addresses of all targets.
func addresses(targets []target) iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		for _, t := range targets {
			for host := range t.all() {
				for _, r := range t.ports {
					for port := r.first; port <= r.last; port++ {
						if !yield(netip.AddrPortFrom(host, uint16(port))) {
							return
						}
					}
				}
			}
		}
	}
}
