package transport_test

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

// overTLS carries sockets over TLS.
type overTLS struct{ config *tls.Config }

func (o overTLS) Dial(ctx context.Context, dialer transport.Dialer, addr string) (net.Conn, error) {
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return tls.Client(nc, o.config), nil
}

func (o overTLS) Listen(ctx context.Context, addr string) (net.Listener, error) {
	nl, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(nl, o.config), nil
}

func (overTLS) Addr(endpoint string) (string, error) { return endpoint, nil }

func ExampleTransport() {
	zmq4.RegisterTransport("tls", overTLS{&tls.Config{ServerName: "example.com"}})
	socket := zmq4.NewSub(context.Background())
	defer socket.Close()
	// socket.Dial("tls://example.com:5555")
}
