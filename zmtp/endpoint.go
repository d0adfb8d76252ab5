package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// ErrEndpoint means that a text is no endpoint this package can use.
var ErrEndpoint = errors.New("zmtp: unusable endpoint")

// parseEndpoint splits an endpoint as libzmq writes them into what package net
// wants.
func parseEndpoint(endpoint string) (network, address string, err error) {
	transport, address, ok := strings.Cut(endpoint, "://")
	if !ok {
		return "", "", fmt.Errorf("%w: %q: want tcp://HOST:PORT or ipc://PATH", ErrEndpoint, endpoint)
	}
	switch transport {
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" {
			return "", "", fmt.Errorf("%w: %q: want tcp://HOST:PORT", ErrEndpoint, endpoint)
		}
		if host == "*" {
			host = ""
		}
		if port == "*" {
			port = "0"
		}
		return "tcp", net.JoinHostPort(host, port), nil
	case "ipc":
		if address == "" || address == "*" {
			return "", "", fmt.Errorf("%w: %q: want ipc://PATH", ErrEndpoint, endpoint)
		}
		return "unix", address, nil
	}
	return "", "", fmt.Errorf("%w: %q: transport %s is not tcp or ipc", ErrEndpoint, endpoint, transport)
}

// CheckEndpoint returns ErrEndpoint for a text that is no endpoint.
func CheckEndpoint(endpoint string) error {
	_, _, err := parseEndpoint(endpoint)
	return err
}

// IsLocal reports whether an endpoint can be reached from this machine only:
// ipc, or tcp on a loopback address.
func IsLocal(endpoint string) bool {
	network, address, err := parseEndpoint(endpoint)
	if err != nil || network != "tcp" {
		return err == nil
	}
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// DialNet connects to an endpoint without speaking ZMTP yet, for a peer that
// dials and is the server: give the net.Conn to [Server].
func DialNet(ctx context.Context, endpoint string) (net.Conn, error) {
	network, address, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("zmtp: connecting to %s failed: %w", endpoint, err)
	}
	return nc, nil
}

// ListenNet listens on an endpoint without speaking ZMTP yet, for a peer that
// listens and is the client: give what it accepts to [Client]. The host and
// the port of tcp may be "*": any address, any free port. The file of an ipc
// endpoint on which nobody listens any more is replaced.
func ListenNet(ctx context.Context, endpoint string) (net.Listener, error) {
	network, address, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, address)
	if network == "unix" && errors.Is(err, syscall.EADDRINUSE) && isStale(ctx, address) {
		if err := os.Remove(address); err != nil {
			return nil, fmt.Errorf("zmtp: replacing the socket of %s failed: %w", endpoint, err)
		}
		ln, err = lc.Listen(ctx, network, address)
	}
	if err != nil {
		return nil, fmt.Errorf("zmtp: listening on %s failed: %w", endpoint, err)
	}
	return ln, nil
}

// isStale reports whether a socket was left behind by a process that is gone.
func isStale(ctx context.Context, path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	nc, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		nc.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// endpointOf is the endpoint at which a listener can be reached.
func endpointOf(a net.Addr) string {
	if a.Network() == "unix" {
		return "ipc://" + a.String()
	}
	return "tcp://" + a.String()
}
