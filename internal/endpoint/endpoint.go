// Package endpoint parses the endpoints of ZeroMQ, tcp://HOST:PORT and ipc://PATH, and
// connects to them and listens on them.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// parse splits an endpoint into the network and address that package net takes.
func parse(endpoint string) (network, address string, err error) {
	transport, address, ok := strings.Cut(endpoint, "://")
	if !ok {
		return "", "", invalid(endpoint, "expected tcp://HOST:PORT or ipc://PATH")
	}
	switch transport {
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" {
			return "", "", invalid(endpoint, "expected tcp://HOST:PORT")
		}
		if host == "*" {
			host = ""
		}
		if port == "*" {
			port = "0"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", "", invalid(endpoint, "port "+port+" is not a number from 0 to 65535, or *")
		}
		return "tcp", net.JoinHostPort(host, port), nil
	case "ipc":
		if address == "" || address == "*" {
			return "", "", invalid(endpoint, "expected ipc://PATH")
		}
		return "unix", address, nil
	}
	return "", "", invalid(endpoint, "transport "+transport+" is not tcp or ipc")
}

func invalid(endpoint, why string) error {
	return fmt.Errorf("invalid endpoint %q: %s", endpoint, why)
}

// Check returns an error if endpoint is not one to listen on.
func Check(endpoint string) error {
	_, _, err := parse(endpoint)
	return err
}

// CheckDial returns an error if endpoint is not one to connect to. Unlike an endpoint to
// listen on, it needs a host other than "*" and a port other than 0.
func CheckDial(endpoint string) error {
	_, _, err := parseDial(endpoint)
	return err
}

func parseDial(endpoint string) (network, address string, err error) {
	network, address, err = parse(endpoint)
	if err != nil || network != "tcp" {
		return network, address, err
	}
	host, port, _ := net.SplitHostPort(address)
	if n, _ := strconv.ParseUint(port, 10, 16); host == "" || n == 0 {
		return "", "", invalid(endpoint, "expected a host and a port to connect to")
	}
	return network, address, nil
}

// IsLocal reports whether only this machine can reach endpoint: ipc, or tcp on a loopback
// address or on localhost, which is never looked up. It does not say which users of the
// machine can connect. All of them can connect to tcp and to an abstract socket of Linux
// (ipc://@NAME), and any of them can listen there while no one else does. Only the file
// of a socket has an owner and a mode.
func IsLocal(endpoint string) bool {
	network, address, err := parse(endpoint)
	if err != nil || network != "tcp" {
		return err == nil
	}
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return isLocalhost(host) || ip != nil && ip.IsLoopback()
}

func isLocalhost(host string) bool { return strings.EqualFold(host, "localhost") }

// addresses returns the addresses to try, in order. It does not look up localhost,
// because a resolver could return another machine's address.
func addresses(network, address string) []string {
	if network == "tcp" {
		if host, port, _ := net.SplitHostPort(address); isLocalhost(host) {
			return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
		}
	}
	return []string{address}
}

// Dialer connects to an address, as net.Dialer does.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Dial connects to an endpoint.
func Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	return DialWith(ctx, new(net.Dialer), endpoint)
}

// DialWith is Dial with a dialer.
func DialWith(ctx context.Context, dialer Dialer, endpoint string) (net.Conn, error) {
	network, address, err := parseDial(endpoint)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, address := range addresses(network, address) {
		nc, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			return nc, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("connecting to %s failed: %w", endpoint, errors.Join(errs...))
}

// Listen listens on an endpoint. The host and the port of tcp may be "*": any address,
// any free port. Listen replaces the file of an ipc endpoint on which no process listens
// any longer. The new file has mode 0600; to let other users connect, change it
// afterwards.
func Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	network, address, err := parse(endpoint)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, address := range addresses(network, address) {
		ln, err := listen(ctx, network, address)
		if network == "unix" && isInUse(err) && isStale(ctx, address) {
			if err := os.Remove(address); err != nil {
				return nil, fmt.Errorf("replacing the socket of %s failed: %w", endpoint, err)
			}
			ln, err = listen(ctx, network, address)
		}
		if err == nil {
			return ln, nil
		}
		errs = append(errs, err)
		if isInUse(err) {
			break // another program uses this port of localhost
		}
	}
	return nil, fmt.Errorf("listening on %s failed: %w", endpoint, errors.Join(errs...))
}

// listen listens on an address. Only its owner can use a file that it creates.
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

// isStale reports whether path is the socket of a process that has ended.
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

// IsAt reports whether a is the address of a listener on endpoint. It looks up no names, so a
// host that is neither an address nor localhost has none, and neither has a port of 0 or "*".
func IsAt(endpoint string, a net.Addr) bool {
	network, address, err := parse(endpoint)
	if err != nil || network != a.Network() {
		return false
	}
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		path, err := filepath.Abs(address)
		return address == a.String() || err == nil && path == a.String()
	}
	for _, address := range addresses(network, address) {
		host, port, _ := net.SplitHostPort(address)
		isHost := net.ParseIP(host).Equal(tcp.IP) && tcp.Zone == ""
		if host == "" {
			isHost = tcp.IP.IsUnspecified()
		}
		if n, _ := strconv.ParseUint(port, 10, 16); isHost && n != 0 && int(n) == tcp.Port {
			return true
		}
	}
	return false
}

// Of returns the endpoint of an address.
func Of(a net.Addr) string {
	if a.Network() == "unix" {
		return "ipc://" + a.String()
	}
	return "tcp://" + a.String()
}
