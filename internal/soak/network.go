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

// network is between the ends of a connection. It can be slow, and can break.
type network struct {
	rate int // bytes/s each way

	mu     sync.Mutex // guards what follows
	conns  []net.Conn // both ends of the network
	closed bool

	isCut chan struct{}
	last  [2]moment // when bytes last went to the client and the server
	wg    sync.WaitGroup
}

func newNetwork(rate int) *network { return &network{rate: rate, isCut: make(chan struct{})} }

// buffered is how much the systems keep in their buffers where little is to be in them.
const buffered = 64 << 10

// limitBuffers gives a connection such buffers, if it has any.
func limitBuffers(nc net.Conn) {
	if nc, ok := nc.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		nc.SetReadBuffer(buffered)
		nc.SetWriteBuffer(buffered)
	}
}

// join carries bytes between two ends of connections, from the client and from the
// server, until both directions have ended.
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

// carry carries bytes in one direction. What has ended on one side is ended on the
// other, but after the cut nothing is.
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

// cut carries nothing from now on.
func (n *network) cut() {
	close(n.isCut)
}

// reset ends the connections of both ends, as a system does that knows nothing of them.
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

// close ends all that is left.
func (n *network) close() {
	n.reset()
	n.wg.Wait()
}

// lastTo returns when bytes last went to the client (0) or the server (1), the zero
// time if never.
func (n *network) lastTo(end int) time.Time { return n.last[end].time() }

// listen listens on an endpoint that nobody else has.
func listen(ctx context.Context, transport, dir, name string) (net.Listener, error) {
	return endpoint.Listen(ctx, wildcard(transport, dir, name))
}

// wildcard is an endpoint to listen on that nobody else has.
func wildcard(transport, dir, name string) string {
	if transport == "ipc" {
		return "ipc://" + filepath.Join(dir, name)
	}
	return "tcp://127.0.0.1:*"
}

func endpointOf(transport string, ln net.Listener) string {
	return fmt.Sprintf("%s://%s", transport, ln.Addr())
}

// through listens for a client, and carries what it sends to the server's endpoint.
// The listener stays until the round ends, so that nobody else gets its port, but only
// the first connection is carried.
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
