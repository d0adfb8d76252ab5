package zmq4

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// Handshakes of foreign connections take place beside each other, at most maxHandshakes. One
// more ends the oldest, so that silent peers keep nobody out.
const (
	maxHandshakes = 1024
	acceptPause   = 20 * time.Millisecond // after an error, such as too many open files
)

// foreignListener accepts connections with a Security of another package.
type foreignListener struct {
	net.Listener
	socket *socket
	most   int // handshakes at a time
	opened func(link)
	failed func(peer net.Addr, err error)

	mu      sync.Mutex
	pending []net.Conn // in their handshakes, the oldest first
}

// run accepts until the socket is closed.
func (l *foreignListener) run() {
	life := l.socket.life
	for life.Err() == nil {
		nc, err := l.Accept()
		if err != nil {
			l.makeRoom(1)
			pause(life, acceptPause)
			continue
		}
		l.makeRoom(l.most)
		l.mu.Lock()
		l.pending = append(l.pending, nc)
		l.mu.Unlock()
		l.socket.background.Go(func() { l.open(life, nc) })
	}
}

// makeRoom ends the oldest handshake if there are most.
func (l *foreignListener) makeRoom(most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) >= most {
		l.pending[0].Close()
		l.pending = slices.Delete(l.pending, 0, 1)
	}
}

func (l *foreignListener) open(ctx context.Context, nc net.Conn) {
	c, err := l.socket.openForeign(ctx, nc, true)
	l.mu.Lock()
	if i := slices.Index(l.pending, nc); i >= 0 {
		l.pending = slices.Delete(l.pending, i, i+1)
	}
	l.mu.Unlock()
	if err == nil {
		l.opened(c)
	} else if ctx.Err() == nil {
		l.failed(nc.RemoteAddr(), err)
	}
}
