package zmq4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

// inproc connects the sockets of a process, in memory.
type inproc struct {
	mu        sync.Mutex
	listeners map[string]*inprocListener
}

var (
	errNobody  = errors.New("nobody listens: connection refused")
	errUnnamed = errors.New("inproc needs a name")
	errTwice   = errors.New("address already in use")
)

func (*inproc) Addr(at string) (string, error) {
	if at == "" {
		return "", errUnnamed
	}
	return at, nil
}

func (i *inproc) Dial(ctx context.Context, _ transport.Dialer, name string) (net.Conn, error) {
	i.mu.Lock()
	l := i.listeners[name]
	i.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("inproc://%s: %w", name, errNobody)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		ours.Close()
		return nil, fmt.Errorf("inproc://%s: %w", name, errNobody)
	case <-ctx.Done():
		ours.Close()
		return nil, ctx.Err()
	}
}

func (i *inproc) Listen(_ context.Context, name string) (net.Listener, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.listeners[name] != nil {
		return nil, fmt.Errorf("inproc://%s: %w", name, errTwice)
	}
	l := &inprocListener{of: i, name: name, conns: make(chan net.Conn), closed: make(chan struct{})}
	i.listeners[name] = l
	return l, nil
}

type inprocListener struct {
	of     *inproc
	name   string
	conns  chan net.Conn
	close  sync.Once
	closed chan struct{}
}

func (l *inprocListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *inprocListener) Close() error {
	l.close.Do(func() {
		l.of.mu.Lock()
		delete(l.of.listeners, l.name)
		l.of.mu.Unlock()
		close(l.closed)
	})
	return nil
}

func (l *inprocListener) Addr() net.Addr { return inprocAddr(l.name) }

// inprocAddr is the name of an inproc endpoint.
type inprocAddr string

func (inprocAddr) Network() string  { return "inproc" }
func (a inprocAddr) String() string { return string(a) }
