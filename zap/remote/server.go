package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/leave"
	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// What one connection may take of the server. A request is eight small frames
// and a routing id for each proxy on its way.
const (
	maxRequestSize  = 16 << 10
	maxRequestParts = 64
)

// maxDecisions bounds the decisions under way that take time, of all calls of Serve.
const maxDecisions = 4096

// maxDecisionTime is how long a decision may take. Those who ask have given up long
// before; it is there for a handler that never returns.
const maxDecisionTime = 30 * time.Second

// Heartbeats of the server, unless its link sets others: a peer that is gone without
// closing its connection keeps no place.
const (
	serverHeartbeat        = 5 * time.Second
	serverHeartbeatTimeout = 10 * time.Second
)

// Listen listens for ZAP requests on an endpoint, tcp://HOST:PORT or
// ipc://PATH. link says how the connections are secured; its socket type and
// its limits are set here. Beyond loopback and ipc every link but CURVE is
// an error: requests hold passwords, and all who can ask can guess them.
func Listen(ctx context.Context, at string, link zmtp.Config) (*zmtp.Listener, error) {
	if err := endpoint.Check(at); err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	if link.Mechanism != zap.Curve && !endpoint.IsLocal(at) {
		return nil, fmt.Errorf("remote: %s can be reached from other machines: answering there needs CURVE", at)
	}
	link.SocketType = "ROUTER"
	link.MaxMessageSize = maxRequestSize
	link.MaxParts = maxRequestParts
	if link.HeartbeatInterval == 0 {
		link.HeartbeatInterval, link.HeartbeatTimeout = serverHeartbeat, serverHeartbeatTimeout
	}
	return zmtp.Listen(ctx, at, link)
}

// Serve answers the requests that arrive at ln until ctx is done or ln is
// closed, then closes ln and all connections. It doesn't wait for a handler that
// goes on although its context is done, nor, for more than 0.1 s, for one that doesn't
// return from HandleAtOnce. The error is nil, or what ended ln.
//
// A request names its peer as zap.Request.Asker: by its IP address, or "ipc", with
// its user id where that is known, as in "192.0.2.1 (billing)".
//
// Decisions that a zap.PromptHandler makes at once are never held up. Others have 30
// seconds, and 1,024 of one connection and 4,096 of the process can be under way.
// Requests beyond that are answered with status 300 at once. So is a request without a
// decision after 30 seconds, whatever its handler does.
//
// 1,024 connections of the process can be open. For a new one beyond that, one is closed
// of the user, or network, that has most of them at one listener: one that has no request
// under way, and has never asked, or else has not asked for longest. One with a request
// under way is closed only for a user, or network, that has fewer. A peer that takes no
// replies for 10 seconds loses its connection.
//
// A malformed request is answered with status 500, if it says whom to answer, and
// others aren't affected; after 100 in a row the connection is closed. If the handler
// panics, its request is answered with 500 too, see zap.Ask. The log names the address
// of the peer; lines that repeat are counted. A nil log discards.
func Serve(ctx context.Context, ln *zmtp.Listener, handler zap.Handler, log *slog.Logger) error {
	s := newServer(handler, log)
	defer s.log.Close()
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer s.wait(&conns)
	defer ln.Close()
	defer cancel()
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("remote: serving failed: %w", err)
		}
		p := s.newPeer(ctx, conn)
		if !s.peers.take(p) {
			p.tell(slog.LevelWarn, "connection closed", errFull)
			p.close()
			continue
		}
		conns.Go(func() {
			defer s.peers.leave(p)
			p.serve()
		})
	}
}

// server is what the connections of one Serve share.
type server struct {
	handler   zap.Handler
	log       *tally.Log
	peers     *places
	decisions chan struct{} // holds one for each decision under way that takes time
	atOnce    atomic.Int64  // connections whose requests are being decided at once
}

// wait waits until all connections have ended, but for those that wait for a HandleAtOnce
// that doesn't return.
func (s *server) wait(conns *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		conns.Wait()
		close(ended)
	}()
	if !leave.Wait(ended, func() bool { return s.atOnce.Load() > 0 }) {
		s.log.Tell(slog.LevelError, "the handler does not return from HandleAtOnce: leaving it", "", "")
	}
}

// What all calls of Serve in the process share, so that another listener doesn't double
// what clients can take.
var (
	allPeers     = &places{held: map[*peer]bool{}}
	allDecisions = make(chan struct{}, maxDecisions)
)

func newServer(handler zap.Handler, log *slog.Logger) *server {
	return &server{
		handler:   handler,
		log:       tally.NewLog(log),
		peers:     allPeers,
		decisions: allDecisions,
	}
}
