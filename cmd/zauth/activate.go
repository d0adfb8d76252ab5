package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/endpoint"
)

// passedSockets are the listening sockets that systemd has passed to zauth, and that zauth
// does not use yet.
type passedSockets []passedSocket

// passedSocket is a listening socket of a socket unit.
type passedSocket struct {
	net.Listener
	name string // FileDescriptorName= of the unit
}

// take returns the socket that listens on an endpoint, or nil.
func (p *passedSockets) take(at string) net.Listener {
	i := slices.IndexFunc(*p, func(s passedSocket) bool { return endpoint.IsAt(at, s.Addr()) })
	if i < 0 {
		return nil
	}
	taken := (*p)[i]
	*p = slices.Delete(*p, i, i+1)
	return taken.Listener
}

// checkUsed returns an error if a socket was not taken: clients would connect to it, and wait
// forever.
func (p *passedSockets) checkUsed() error {
	for _, s := range *p {
		at := endpoint.Of(s.Addr())
		return cli.Hint(fmt.Errorf("systemd passed the socket %s on %s, which zauth does not listen on", s.name, at),
			"pass --listen "+at+", or remove the socket from the socket unit")
	}
	return nil
}

// close closes the sockets that were not taken.
func (p *passedSockets) close() {
	for _, s := range *p {
		s.Close()
	}
}

// warnOfOpenSocket warns if every local user can connect to a socket: the default of a socket
// unit is SocketMode=0666.
func warnOfOpenSocket(ln net.Listener, log *slog.Logger) {
	if ln.Addr().Network() != "unix" {
		return
	}
	path := ln.Addr().String()
	if info, err := os.Stat(path); err != nil || info.Mode()&0o002 != 0 {
		log.Warn("every local user can connect: set SocketMode=0660 in the socket unit", "endpoint", endpoint.Of(ln.Addr()))
	}
}
