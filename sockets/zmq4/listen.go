package zmq4

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/zmtp"
)

func (s *socket) Listen(endpoint string) error {
	if s.fault != nil {
		return s.fault
	}
	at, err := parseTarget(endpoint)
	if err != nil {
		return err
	}
	nl, err := at.transport.Listen(s.life, at.addr)
	if err != nil {
		return fmt.Errorf("zmq4: could not listen to %q: %w", endpoint, err)
	}
	bound := withPort(endpoint, nl.Addr())
	failed := func(peer net.Addr, err error) {
		e := sockets.Event{Kind: sockets.Failed, Endpoint: bound, Err: err}
		if peer != nil {
			e.Peer = peer.String()
		}
		s.tell(e)
	}
	opened := func(c link) { s.serve(&pipe{socket: s, endpoint: bound, peer: peer(c)}, c) }
	l, run, err := s.newListener(nl, opened, failed)
	if err != nil {
		nl.Close()
		return fmt.Errorf("zmq4: could not listen to %q: %w", endpoint, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		l.Close()
		return context.Canceled
	}
	s.listeners = append(s.listeners, l)
	s.addr = nl.Addr()
	s.background.Go(run)
	s.tell(sockets.Event{Kind: sockets.Listening, Endpoint: bound})
	return nil
}

// withPort returns an endpoint with the port that the system has chosen for it, if it has.
func withPort(endpoint string, addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !strings.HasPrefix(endpoint, "tcp://") {
		return endpoint
	}
	return endpoint[:strings.LastIndexByte(endpoint, ':')+1] + strconv.Itoa(tcp.Port)
}

// newListener returns a listener that owns nl, and what runs it until it is closed. opened
// runs in a goroutine for each connection, and failed is called for each handshake that failed.
func (s *socket) newListener(nl net.Listener, opened func(link), failed func(net.Addr, error)) (l io.Closer, run func(), err error) {
	if s.isForeign() {
		l := &foreignListener{Listener: nl, socket: s, most: maxHandshakes, opened: opened, failed: failed}
		return l, l.run, nil
	}
	accepts := zmtp.NewClientListener
	if s.isServer(true) {
		accepts = zmtp.NewListener
	}
	cfg := s.config()
	cfg.Failed = failed
	zl, err := accepts(nl, cfg)
	run = func() {
		for {
			c, err := zl.Accept(s.life)
			if err != nil {
				return
			}
			s.background.Go(func() { opened(c) })
		}
	}
	return zl, run, err
}

// serve runs one connection of a listener.
func (s *socket) serve(p *pipe, conn link) {
	defer conn.CloseNow()
	err := s.attach(p, conn)
	defer s.remove(p)
	if err != nil {
		s.tell(sockets.Event{Kind: sockets.Failed, Endpoint: p.endpoint, Peer: p.peer, Err: err})
		return
	}
	err = p.read(s.conns, conn)
	s.detach(p)
	if s.life.Err() == nil {
		s.tell(sockets.Event{Kind: sockets.Lost, Endpoint: p.endpoint, Peer: p.peer, User: conn.User(), Err: err})
	}
}

// peer returns the address of a connection's peer, or "" if it has none.
func peer(c link) string {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.String()
	}
	return ""
}
