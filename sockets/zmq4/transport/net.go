package transport

import (
	"context"
	"fmt"
	"net"

	"github.com/zcurve/zcurve/internal/endpoint"
)

// network is a transport of package net.
type network string

// New returns the transport for a network of package net: "tcp", or "unix" for ipc. For all
// others, its methods return an error: ZMTP needs a stream, which "udp" is not. Safe for
// concurrent use.
//
// Listen on tcp takes an empty host for all addresses, and the port 0 for any free one. On
// unix it replaces the file of a socket on which no process listens any longer, and only the
// owner can use the new file.
func New(name string) Transport { return network(name) }

// scheme returns what endpoints of the network begin with.
func (n network) scheme() (string, error) {
	switch n {
	case "tcp":
		return "tcp://", nil
	case "unix":
		return "ipc://", nil
	case "udp":
		return "", fmt.Errorf("transport: %s carries packets, and ZMTP needs a stream", string(n))
	}
	return "", fmt.Errorf("transport: unknown network %q", string(n))
}

// Dial connects to an address that Addr has returned. Without a host, that is this machine.
func (n network) Dial(ctx context.Context, dialer Dialer, addr string) (net.Conn, error) {
	scheme, err := n.scheme()
	if err != nil {
		return nil, err
	}
	return endpoint.DialWith(ctx, dialer, scheme+orHost(n, addr, "localhost"))
}

// Listen listens on an address that Addr has returned.
func (n network) Listen(ctx context.Context, addr string) (net.Listener, error) {
	scheme, err := n.scheme()
	if err != nil {
		return nil, err
	}
	return endpoint.Listen(ctx, scheme+orHost(n, addr, "*"))
}

// Addr returns HOST:PORT for tcp, where a host or port of "*" becomes an empty host or the port 0,
// and the path for unix.
func (n network) Addr(at string) (string, error) {
	scheme, err := n.scheme()
	if err != nil {
		return "", err
	}
	if host, port, err := net.SplitHostPort(at); err == nil && n == "tcp" {
		if host == "*" {
			host = ""
		}
		if port == "" || port == "*" {
			port = "0"
		}
		at = net.JoinHostPort(host, port)
	}
	return at, endpoint.Check(scheme + orHost(n, at, "*"))
}

// orHost puts a host before an address of tcp that has none.
func orHost(n network, addr, host string) string {
	if n == "tcp" && addr != "" && addr[0] == ':' {
		return host + addr
	}
	return addr
}
