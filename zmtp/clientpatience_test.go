package zmtp

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// piped is a net.Listener of connections in memory.
type piped struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p piped) Accept() (net.Conn, error) {
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p piped) Close() error   { close(p.closed); return nil }
func (p piped) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// TestClientListenerPatience checks that a peer that connects to a client and stays silent
// gets no more time than one that connects to a server.
func TestClientListenerPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := make(chan error, 1)
		nl := piped{make(chan net.Conn), make(chan struct{})}
		ln, err := NewClientListener(nl, Config{SocketType: "PULL", Mechanism: zap.Null,
			Failed: func(_ net.Addr, err error) { failures <- err }})
		ztest.Must(t, err)
		a, b := net.Pipe()
		defer a.Close()
		start := time.Now()
		nl.conns <- b
		if err := <-failures; !errors.Is(err, errSilent) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != minHelloPatience {
			t.Errorf("waited %v, want %v", took, minHelloPatience)
		}
		ztest.Must(t, ln.Close())
	})
}
