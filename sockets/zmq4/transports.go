package zmq4

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

var errAddress = errors.New("zmq4: invalid address")

var transports = struct {
	sync.Mutex
	byName map[string]transport.Transport
}{byName: map[string]transport.Transport{
	"tcp": network{"tcp"}, "ipc": network{"ipc"}, "inproc": &inproc{listeners: map[string]*inprocListener{}},
}}

// RegisterTransport adds a transport. Endpoints that begin with NAME:// use it.
func RegisterTransport(name string, t transport.Transport) error {
	transports.Lock()
	defer transports.Unlock()
	if old, ok := transports.byName[name]; ok {
		return fmt.Errorf("zmq4: duplicate transport %q (%T)", name, old)
	}
	transports.byName[name] = t
	return nil
}

// Transports returns the names of the transports, sorted.
func Transports() []string {
	transports.Lock()
	defer transports.Unlock()
	return slices.Sorted(maps.Keys(transports.byName))
}

// target is a parsed endpoint.
type target struct {
	transport transport.Transport
	addr      string
}

func parseTarget(at string) (target, error) {
	name, rest, ok := strings.Cut(at, "://")
	if !ok {
		return target{}, fmt.Errorf("%w: %q: expected TRANSPORT://ADDRESS", errAddress, at)
	}
	transports.Lock()
	t, ok := transports.byName[name]
	transports.Unlock()
	if !ok {
		return target{}, UnknownTransportError{name}
	}
	addr, err := t.Addr(rest)
	if err != nil {
		return target{}, err
	}
	return target{t, addr}, nil
}

// network is tcp or ipc.
type network struct{ name string }

func (n network) Dial(ctx context.Context, _ transport.Dialer, addr string) (net.Conn, error) {
	if port, ok := strings.CutPrefix(addr, "*:"); ok && n.name == "tcp" {
		addr = "localhost:" + port // as go-zeromq does
	}
	return endpoint.Dial(ctx, n.name+"://"+addr)
}

func (n network) Listen(ctx context.Context, addr string) (net.Listener, error) {
	return endpoint.Listen(ctx, n.name+"://"+addr)
}

func (n network) Addr(at string) (string, error) {
	if n.name == "tcp" && strings.HasPrefix(at, ":") {
		at = "*" + at
	}
	if err := endpoint.Check(n.name + "://" + at); err != nil {
		return "", fmt.Errorf("%w: %w", errAddress, err)
	}
	return at, nil
}
