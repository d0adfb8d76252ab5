package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ErrEndpoint means that a text is no endpoint this package can use.
var ErrEndpoint = errors.New("zmtp: unusable endpoint")

// parseEndpoint splits an endpoint as libzmq writes them into what package net
// expects.
func parseEndpoint(endpoint string) (network, address string, err error) {
	transport, address, ok := strings.Cut(endpoint, "://")
	if !ok {
		return "", "", fmt.Errorf("%w: %q: expected tcp://HOST:PORT or ipc://PATH", ErrEndpoint, endpoint)
	}
	switch transport {
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" {
			return "", "", fmt.Errorf("%w: %q: expected tcp://HOST:PORT", ErrEndpoint, endpoint)
		}
		if host == "*" {
			host = ""
		}
		if port == "*" {
			port = "0"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", "", fmt.Errorf("%w: %q: port %s is not a number from 0 to 65535, or *", ErrEndpoint, endpoint, port)
		}
		return "tcp", net.JoinHostPort(host, port), nil
	case "ipc":
		if address == "" || address == "*" {
			return "", "", fmt.Errorf("%w: %q: expected ipc://PATH", ErrEndpoint, endpoint)
		}
		return "unix", address, nil
	}
	return "", "", fmt.Errorf("%w: %q: transport %s is not tcp or ipc", ErrEndpoint, endpoint, transport)
}

// CheckEndpoint returns ErrEndpoint for a text that is no endpoint to listen on.
func CheckEndpoint(endpoint string) error {
	_, _, err := parseEndpoint(endpoint)
	return err
}

// CheckDialEndpoint returns ErrEndpoint for a text that is no endpoint to connect to:
// beyond what CheckEndpoint refuses, one without a host or a port of its own ("*", 0).
func CheckDialEndpoint(endpoint string) error {
	network, address, err := parseEndpoint(endpoint)
	if err != nil || network != "tcp" {
		return err
	}
	host, port, _ := net.SplitHostPort(address)
	if n, _ := strconv.ParseUint(port, 10, 16); host == "" || n == 0 {
		return fmt.Errorf("%w: %q: expected a host and a port to connect to", ErrEndpoint, endpoint)
	}
	return nil
}

// IsLocal reports whether an endpoint can be reached from this machine only: ipc, or
// tcp on a loopback address, or on localhost, which is never looked up here. It doesn't
// say which users of the machine can connect: to tcp, and to an abstract socket of
// Linux (ipc://@NAME), all of them can, and when nobody listens there each of them can
// listen. Only a socket's file has an owner and a mode.
func IsLocal(endpoint string) bool {
	network, address, err := parseEndpoint(endpoint)
	if err != nil || network != "tcp" {
		return err == nil
	}
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return isLocalhost(host) || ip != nil && ip.IsLoopback()
}

func isLocalhost(host string) bool { return strings.EqualFold(host, "localhost") }

// addresses are those to try, in this order. Those of localhost are known: a resolver
// could say that it is another machine.
func addresses(network, address string) []string {
	if network == "tcp" {
		if host, port, _ := net.SplitHostPort(address); isLocalhost(host) {
			return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
		}
	}
	return []string{address}
}

// DialNet connects to an endpoint without speaking ZMTP yet, for a peer that
// dials and is the server: give the net.Conn to [Server].
func DialNet(ctx context.Context, endpoint string) (net.Conn, error) {
	if err := CheckDialEndpoint(endpoint); err != nil {
		return nil, err
	}
	network, address, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, address := range addresses(network, address) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			return nc, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("zmtp: connecting to %s failed: %w", endpoint, errors.Join(errs...))
}

// ListenNet listens on an endpoint without speaking ZMTP yet, for a peer that
// listens and is the client: give what it accepts to [Client]. The host and
// the port of tcp may be "*": any address, any free port. The file of an ipc
// endpoint on which nobody listens any more is replaced. The file has mode 0600: change
// it afterwards to let other users connect.
func ListenNet(ctx context.Context, endpoint string) (net.Listener, error) {
	network, address, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, address := range addresses(network, address) {
		ln, err := listen(ctx, network, address)
		if network == "unix" && isInUse(err) && isStale(ctx, address) {
			if err := os.Remove(address); err != nil {
				return nil, fmt.Errorf("zmtp: replacing the socket of %s failed: %w", endpoint, err)
			}
			ln, err = listen(ctx, network, address)
		}
		if err == nil {
			return ln, nil
		}
		errs = append(errs, err)
		if isInUse(err) {
			break // another program has the port of localhost
		}
	}
	return nil, fmt.Errorf("zmtp: listening on %s failed: %w", endpoint, errors.Join(errs...))
}

// listen listens at an address. A file that it makes is its owner's alone.
func listen(ctx context.Context, network, address string) (net.Listener, error) {
	isFile := network == "unix" && !strings.HasPrefix(address, "@")
	var lc net.ListenConfig
	if isFile {
		lc.Control = makePrivate
	}
	ln, err := lc.Listen(ctx, network, address)
	if err != nil || !isFile || runtime.GOOS == "windows" {
		return ln, err
	}
	info, err := os.Lstat(address)
	if err == nil && info.Mode().Perm()&^0o600 != 0 {
		err = os.Chmod(address, 0o600)
	}
	if err != nil {
		ln.Close()
		return nil, err
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
	return isRefused(err)
}

// endpointOf is the endpoint at which a listener can be reached.
func endpointOf(a net.Addr) string {
	if a.Network() == "unix" {
		return "ipc://" + a.String()
	}
	return "tcp://" + a.String()
}
