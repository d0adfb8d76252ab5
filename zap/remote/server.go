package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/leave"
	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// maxRequestParts bounds the frames of a request: eight small ones, and a routing id for each
// proxy on its way.
const maxRequestParts = 64

// maxDecisions bounds the slow decisions in progress, of all calls of Serve.
const maxDecisions = 4096

// maxDecisionTime is how long a decision may take. Askers give up earlier; this limit is
// for handlers that never return.
const maxDecisionTime = 30 * time.Second

// Heartbeats of the server, unless its link sets others. They free the place of a peer
// that is gone without closing its connection.
const (
	serverHeartbeat        = 5 * time.Second
	serverHeartbeatTimeout = 10 * time.Second
)

// Listen listens for ZAP requests on an endpoint, tcp://HOST:PORT or ipc://PATH. link
// says how connections are secured; Listen sets its socket type and its limits. ctx
// applies to the call only. Beyond loopback and ipc, Listen returns an error unless the
// mechanism is CURVE: requests hold passwords, and every peer that can ask can guess
// them.
func Listen(ctx context.Context, at string, link zmtp.Config) (*zmtp.Listener, error) {
	if err := endpoint.Check(at); err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	if link.Mechanism != zap.Curve && !endpoint.IsLocal(at) {
		return nil, fmt.Errorf("remote: %s can be reached from other machines: set link to CURVE", at)
	}
	return zmtp.Listen(ctx, at, serverLink(link))
}

// NewListener is like [Listen] on a listener that exists already, such as a socket that
// systemd has passed. If link is invalid or is not CURVE and nl can be reached from other
// machines, it leaves nl open; otherwise the Listener owns nl and closes it.
func NewListener(nl net.Listener, link zmtp.Config) (*zmtp.Listener, error) {
	if at := endpoint.Of(nl.Addr()); link.Mechanism != zap.Curve && !endpoint.IsLocal(at) {
		return nil, fmt.Errorf("remote: %s can be reached from other machines: set link to CURVE", at)
	}
	return zmtp.NewListener(nl, serverLink(link))
}

// serverLink sets the socket type and the limits of connections from services.
func serverLink(link zmtp.Config) zmtp.Config {
	link.SocketType = "ROUTER"
	link.Properties = slices.Concat(link.Properties, announcement)
	link.MaxMessageSize = maxNoticeSize
	link.MaxParts = maxRequestParts
	if link.HeartbeatInterval == 0 {
		link.HeartbeatInterval, link.HeartbeatTimeout = serverHeartbeat, serverHeartbeatTimeout
	}
	return link
}

// Serve answers the requests that arrive at ln until ctx is done or ln is closed, and
// then closes ln and all connections. It waits until all goroutines have ended, except
// for handlers that do not return: it does not wait for Handle once its context is done,
// and waits for HandleAtOnce for 0.1 seconds at most. It returns an error only if ln
// failed.
//
// zap.Request.Asker is the peer's IP address, or "ipc", with its user id if that is
// known: "192.0.2.1 (billing)".
//
// Decisions that a zap.PromptHandler makes at once are never delayed. Other decisions
// have 30 seconds; after that, the request gets status 300. At most 1,024 of these per
// connection and 4,096 per process can be in progress. Requests beyond that get status
// 300 at once.
//
// At most 1,024 connections of the process can be open. When there is one more, Serve
// closes a connection of the user, or network, that has the most of them at one listener.
// It chooses one without requests in progress that has never sent a request, or whose
// last request is longest ago. It closes one with a request in progress only for a user,
// or network, that has fewer connections. It also closes the connection of a peer that
// receives no replies for 10 seconds.
//
// If the handler is a zap.Keeper, Serve notifies a [Handler] of the end of each admission that
// it keeps. An admission is watched for a minute after its connection is lost, for the next
// connection of the same service. It takes about 1 KiB of memory. At most 128 MiB per
// connection, which is about 100,000 admissions, and 512 MiB per process are used. An admission
// beyond that ends at once, with status 300.
//
// A malformed request gets status 500 if it says whom to answer, and does not affect
// other requests. After 100 in a row the connection is closed. A request whose handler
// panics gets status 500, see zap.Ask. The log has a line for each service that connects,
// and names the peer of others; messages that repeat are counted. If log is nil, nothing is
// logged.
func Serve(ctx context.Context, ln *zmtp.Listener, handler zap.Handler, log *slog.Logger) error {
	s := newServer(handler, log)
	defer s.log.Close()
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer s.watches.close()
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
		s.log.Tell(slog.LevelInfo, "service connected", p.asker, "",
			slog.String("asker", p.asker), slog.String("peer", conn.RemoteAddr().String()))
		conns.Go(func() {
			defer s.peers.leave(p)
			p.serve()
		})
	}
}

// server holds the state that the connections of one call of Serve share.
type server struct {
	handler   zap.Handler
	log       *tally.Log
	peers     *places
	decisions chan struct{} // holds one for each slow decision in progress
	watches   *watches      // the admissions that services keep
	atOnce    atomic.Int64  // connections whose requests are being decided at once
}

// wait waits until all connections have ended, except for those whose HandleAtOnce does
// not return.
func (s *server) wait(conns *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		conns.Wait()
		close(ended)
	}()
	if !leave.Wait(ended, func() bool { return s.atOnce.Load() > 0 }) {
		s.log.Tell(slog.LevelError, "the ZAP handler does not return from HandleAtOnce: not waiting for it", "", "")
	}
}

// All calls of Serve in the process share these limits, so that a second listener does
// not double them.
var (
	allPeers     = &places{held: map[*peer]bool{}}
	allDecisions = make(chan struct{}, maxDecisions)
	allKept      atomic.Int64
)

func newServer(handler zap.Handler, log *slog.Logger) *server {
	return &server{
		handler:   handler,
		log:       tally.NewLog(log),
		peers:     allPeers,
		decisions: allDecisions,
		watches:   newWatches(handler, &allKept),
	}
}
