// Package transport carries the bytes of ZeroMQ sockets. A program that needs a transport
// of its own implements Transport and registers it with zmq4.RegisterTransport.
package transport

import (
	"context"
	"net"
)

// Dialer connects to an address, as net.Dialer does.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Transport connects and listens for one kind of endpoint. The connections it returns must
// support deadlines. Safe for concurrent use.
type Transport interface {
	// Dial connects to an address, such as HOST:PORT. A transport of a net package's
	// network uses the dialer.
	Dial(ctx context.Context, dialer Dialer, addr string) (net.Conn, error)
	// Listen listens on an address.
	Listen(ctx context.Context, addr string) (net.Listener, error)
	// Addr returns the address in an endpoint of which the scheme, such as tcp://, was
	// removed.
	Addr(endpoint string) (addr string, err error)
}
