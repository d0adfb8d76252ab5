package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
)

// network connects the ends of a connection. It can be slow, and can break.
type network struct {
	rate int // bytes/s each way

	mu     sync.Mutex // guards the fields below
	conns  []net.Conn // both ends of the network
	closed bool

	isCut chan struct{}
	last  [2]moment // when bytes last went to the client and the server
	wg    sync.WaitGroup
}

func newNetwork(rate int) *network { return &network{rate: rate, isCut: make(chan struct{})} }

// buffered is the size in bytes of the system's buffers on a network that should hold
// little data.
const buffered = 64 << 10

// limitBuffers gives a connection such buffers, if it has buffers.
func limitBuffers(nc net.Conn) {
	if nc, ok := nc.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		nc.SetReadBuffer(buffered)
		nc.SetWriteBuffer(buffered)
	}
}

// join carries bytes between two connections, from the client and from the server, until
// both directions have ended.
func (n *network) join(client, server net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		client.Close()
		server.Close()
		return
	}
	n.conns = append(n.conns, client, server)
	if n.rate > 0 {
		limitBuffers(client)
		limitBuffers(server)
	}
	n.wg.Go(func() { n.carry(client, server, &n.last[1]) })
	n.wg.Go(func() { n.carry(server, client, &n.last[0]) })
}

// carry carries bytes in one direction. When one side ends, it ends the other, except
// after a cut.
func (n *network) carry(from, to net.Conn, last *moment) {
	bytes := make([]byte, 64<<10)
	if n.rate > 0 {
		bytes = bytes[:min(len(bytes), n.rate/100)]
	}
	due := time.Now()
	for {
		k, err := from.Read(bytes)
		select {
		case <-n.isCut:
			return
		default:
		}
		if k > 0 {
			last.set(time.Now())
			if _, err := to.Write(bytes[:k]); err != nil {
				from.Close() // the other side is gone
				return
			}
		}
		if err == io.EOF {
			if to, ok := to.(interface{ CloseWrite() error }); ok {
				to.CloseWrite()
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
		if n.rate > 0 {
			if now := time.Now(); due.Before(now) {
				due = now
			}
			due = due.Add(time.Second * time.Duration(k) / time.Duration(n.rate))
			select {
			case <-time.After(time.Until(due)):
			case <-n.isCut:
			}
		}
	}
}

// cut makes the network carry nothing from now on.
func (n *network) cut() {
	close(n.isCut)
}

// reset resets the connections of both ends, like a system that does not know them.
func (n *network) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, nc := range n.conns {
		if nc, ok := nc.(*net.TCPConn); ok {
			nc.SetLinger(0)
		}
		nc.Close()
	}
}

// close closes all remaining connections.
func (n *network) close() {
	n.reset()
	n.wg.Wait()
}

// lastTo returns when bytes last went to the client (0) or the server (1), or the zero
// time if never.
func (n *network) lastTo(end int) time.Time { return n.last[end].time() }

// listen listens on an endpoint that is not in use.
func listen(ctx context.Context, transport, dir, name string) (net.Listener, error) {
	return endpoint.Listen(ctx, wildcard(transport, dir, name))
}

// wildcard returns an unused endpoint to listen on.
func wildcard(transport, dir, name string) string {
	if transport == "ipc" {
		return "ipc://" + filepath.Join(dir, name)
	}
	return "tcp://127.0.0.1:*"
}

func endpointOf(transport string, ln net.Listener) string {
	return fmt.Sprintf("%s://%s", transport, ln.Addr())
}

// through listens for a client, and connects it to the server's endpoint. It carries only
// the first connection, but keeps the listener until the round ends, so that no one else
// gets its port.
func (n *network) through(ctx context.Context, ln net.Listener, server string) {
	n.wg.Go(func() {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		nc, err := endpoint.Dial(ctx, server)
		if err != nil {
			client.Close()
			return
		}
		n.join(client, nc)
	})
}
