package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// What one connection may take of the server. A request is eight small frames
// and a routing id for each proxy on its way.
const (
	maxRequestSize  = 16 << 10
	maxRequestParts = 64
	maxInFlight     = 256
)

// sendPatience is how long a peer may take no replies before its connection is
// closed.
const sendPatience = 10 * time.Second

// Listen listens for ZAP requests on an endpoint, tcp://HOST:PORT or
// ipc://PATH. link says how the connections are secured; its socket type and
// its limits are set here.
func Listen(ctx context.Context, endpoint string, link zmtp.Config) (*zmtp.Listener, error) {
	link.SocketType = "ROUTER"
	link.MaxMessageSize = maxRequestSize
	link.MaxParts = maxRequestParts
	return zmtp.Listen(ctx, endpoint, link)
}

// Serve answers the requests that arrive at ln until ctx is done or ln is
// closed, then closes ln and all connections. It doesn't wait for a handler that
// goes on although its context is done. The error is nil, or what ended ln.
//
// A request names its peer as zap.Request.Asker: by its IP address, or "ipc", with
// its user id where that is known, as in "192.0.2.1 (billing)".
//
// A malformed request is answered with status 500, if it says whom to answer,
// and logged with the address of its peer; others aren't affected. So is one on
// which the handler panics, see zap.Ask. A nil log discards.
func Serve(ctx context.Context, ln *zmtp.Listener, handler zap.Handler, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
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
		conns.Go(func() {
			p := &peer{conn: conn, handler: handler, asker: asker(conn), log: log.With("peer", peerName(conn))}
			p.serve(ctx)
		})
	}
}

// peerName tells the peer's address, and who it is where that is known.
func peerName(conn *zmtp.Conn) string {
	name := conn.RemoteAddr().String()
	if user := conn.User().ID; user != "" {
		name += " (" + user + ")"
	}
	return name
}

// asker is the peer as requests name it. Without the port it is the same from one
// connection to the next.
func asker(conn *zmtp.Conn) string {
	name := "ipc"
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		name = a.AddrPort().Addr().Unmap().String()
	}
	if user := conn.User().ID; user != "" {
		name += " (" + user + ")"
	}
	return name
}

// peer is one connection from which requests come.
type peer struct {
	conn    *zmtp.Conn
	handler zap.Handler
	asker   string
	log     *slog.Logger
}

// serve answers requests until the connection ends. It answers those itself that
// can be answered at once, a batch at a time; the others get a goroutine each.
func (p *peer) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var requests sync.WaitGroup
	defer requests.Wait()
	defer p.conn.Close()
	defer cancel()
	slots := make(chan struct{}, maxInFlight)
	for {
		batch, err := p.conn.RecvBatch(ctx)
		if err != nil {
			if ctx.Err() == nil && err != io.EOF {
				p.log.Warn("connection lost", "err", err)
			}
			return
		}
		for _, frames := range p.answerBatch(ctx, batch) {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			requests.Go(func() {
				p.answer(ctx, frames)
				<-slots
			})
		}
	}
}

// answerBatch answers the requests to which it has the replies at hand, and
// returns the others.
func (p *peer) answerBatch(ctx context.Context, batch [][][]byte) (slow [][][]byte) {
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	for _, frames := range batch {
		reply, ok, err := zap.AnswerAtOnce(p.handler, p.asker, frames)
		if !ok {
			slow = append(slow, zmtp.CloneMessage(frames))
			continue
		}
		p.tellFault(err)
		if reply == nil {
			continue
		}
		if err := p.conn.Queue(ctx, reply...); err != nil {
			p.tell(err)
			return slow
		}
	}
	p.tell(p.conn.Flush(ctx))
	return slow
}

// answer decides one request and sends the reply.
func (p *peer) answer(ctx context.Context, frames [][]byte) {
	reply, err := zap.Answer(ctx, p.handler, p.asker, frames)
	if ctx.Err() != nil {
		return
	}
	p.tellFault(err)
	if reply == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	p.tell(p.conn.Send(ctx, reply...))
}

// tellFault tells why a request was answered in the handler's place, or not at all.
func (p *peer) tellFault(err error) {
	if errors.Is(err, zap.ErrRequest) {
		p.log.Warn("bad request", "err", err)
	} else if err != nil {
		p.log.Error("the handler failed", "err", err)
	}
}

// tell tells that replies couldn't be sent, if that isn't the end of us.
func (p *peer) tell(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, context.Canceled) {
		p.log.Warn("reply not sent", "err", err)
	}
}
