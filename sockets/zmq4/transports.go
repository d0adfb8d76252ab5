package zmq4

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

var errAddress = errors.New("zmq4: invalid address")

var transports = struct {
	sync.Mutex
	byName map[string]transport.Transport
}{byName: map[string]transport.Transport{
	"tcp": transport.New("tcp"), "ipc": transport.New("unix"), "udp": transport.New("udp"), "inproc": &inproc{listeners: map[string]*inprocListener{}},
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

// Transports returns the names of the transports, sorted. "udp" is one of them for programs that
// look for it, but sockets cannot use it.
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
		return target{}, fmt.Errorf("%w: %q: %w", errAddress, at, err)
	}
	return target{t, addr}, nil
}
