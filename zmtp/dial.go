package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/zcurve/zcurve/internal/endpoint"
)

// Dial connects to an endpoint, tcp://HOST:PORT or ipc://PATH, as client. It checks cfg
// before it touches the network. ctx bounds connecting and the handshake.
func Dial(ctx context.Context, endpoint string, cfg Config) (*Conn, error) {
	if err := cfg.CheckClient(); err != nil {
		return nil, err
	}
	nc, err := dialNet(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return Client(ctx, nc, cfg)
}

func dialNet(ctx context.Context, at string) (net.Conn, error) {
	if err := endpoint.CheckDial(at); err != nil {
		return nil, invalidEndpoint(err)
	}
	nc, err := endpoint.Dial(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("zmtp: %w", err)
	}
	return nc, nil
}

// invalidEndpoint makes an error of package endpoint match errConfig.
func invalidEndpoint(err error) error { return &reason{errConfig, "zmtp: " + err.Error()} }

// Client shakes hands as client over nc. It does not matter which side dialed. If Client
// fails, it closes nc. ctx bounds the handshake only.
func Client(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	return overNet(ctx, nc, cfg, false)
}

// Server shakes hands as server over nc: cfg.Handler decides about the peer. If Server
// fails, it closes nc. ctx bounds the handshake only. With CURVE each call makes a new
// [curve.Server]; a [Listener] has one for all its connections.
func Server(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	return overNet(ctx, nc, cfg, true)
}

func overNet(ctx context.Context, nc net.Conn, cfg Config, asServer bool) (*Conn, error) {
	checked, err := cfg.withDefaults(asServer)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if checked.server != nil {
		defer checked.server.Close()
	}
	h := newHandshake(nc, checked, asServer)
	h.warnOfPlain()
	checked.keys.warn()
	c, err := h.connect(ctx)
	if err != nil && !errors.Is(err, errConfig) {
		err = handshakeError(nc, err)
	}
	return c, err
}
