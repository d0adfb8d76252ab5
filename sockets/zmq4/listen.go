package zmq4

import (
	"context"
	"fmt"
	"net"

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
	cfg := s.config()
	cfg.Failed = func(peer net.Addr, err error) {
		e := sockets.Event{Kind: sockets.Failed, Endpoint: endpoint, Err: err}
		if peer != nil {
			e.Peer = peer.String()
		}
		s.tell(e)
	}
	nl, err := at.transport.Listen(s.life, at.addr)
	if err != nil {
		return fmt.Errorf("zmq4: could not listen to %q: %w", endpoint, err)
	}
	accepts := zmtp.NewClientListener
	if s.isServer(true) {
		accepts = zmtp.NewListener
	}
	l, err := accepts(nl, cfg)
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
	s.background.Go(func() { s.accept(endpoint, l) })
	s.tell(sockets.Event{Kind: sockets.Listening, Endpoint: endpoint})
	return nil
}

// accept runs the connections of a listener until it is closed.
func (s *socket) accept(endpoint string, l *zmtp.Listener) {
	for {
		c, err := l.Accept(s.life)
		if err != nil {
			return
		}
		p := &pipe{socket: s, endpoint: endpoint, peer: peer(c)}
		s.background.Go(func() { s.serve(p, c) })
	}
}

// serve runs one connection of a listener.
func (s *socket) serve(p *pipe, conn *zmtp.Conn) {
	defer conn.CloseNow()
	if !s.add(p) {
		return
	}
	defer s.remove(p)
	err := s.attach(p, conn)
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
func peer(c *zmtp.Conn) string {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.String()
	}
	return ""
}
