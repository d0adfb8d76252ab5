package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

const (
	// maxPeerDecisions bounds the decisions of one connection that are under way and
	// take time, and the replies to them that aren't sent yet.
	maxPeerDecisions = 1024
	// maxMalformed is how many malformed requests in a row end a connection.
	maxMalformed = 100
	// sendPatience is how long a peer may take no replies.
	sendPatience = 10 * time.Second
)

// Why a connection ends by our will.
var (
	errMalformed = fmt.Errorf("%d malformed requests in a row", maxMalformed)
	errEnded     = errors.New("the handler ended its goroutine, in HandleAtOnce")
	errUnread    = fmt.Errorf("the peer has taken no replies for %v", sendPatience)
)

// peer is one connection from which requests come.
type peer struct {
	*server
	conn      *zmtp.Conn
	name      string                  // address, and who it is where that is known
	asker     string                  // the same as requests name it
	origin    origin                  // see places
	ctx       context.Context         // done when the connection has to end
	end       context.CancelCauseFunc // of ctx, with the reason
	turn      atomic.Uint64           // see places
	undecided chan struct{}           // holds one for each decision that isn't answered yet
	deciding  sync.WaitGroup          // these decisions
	malformed int                     // requests in a row; only serve uses it
}

// newPeer is a connection that ends when ctx is done. Call close, or serve, which does.
func (s *server) newPeer(ctx context.Context, conn *zmtp.Conn) *peer {
	// The asker has no port: it is the same from one connection to the next.
	name, asker := conn.RemoteAddr().String(), "ipc"
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		asker = a.AddrPort().Addr().Unmap().String()
	}
	from := s.originOf(conn.RemoteAddr(), conn.User().ID)
	if user := conn.User().ID; user != "" {
		name += " (" + user + ")"
		asker += " (" + user + ")"
	}
	p := &peer{server: s, conn: conn, name: name, asker: asker, origin: from, undecided: make(chan struct{}, maxPeerDecisions)}
	p.ctx, p.end = context.WithCancelCause(ctx)
	return p
}

// tell logs why something happened with this peer, or counts it.
func (p *peer) tell(level slog.Level, message string, err error) {
	p.log.Tell(level, message, p.asker, err.Error(), slog.String("peer", p.name), slog.Any("err", err))
}

// serve answers requests until the connection ends.
func (p *peer) serve() {
	defer p.deciding.Wait()
	defer p.close()
	returned := false
	defer func() {
		if !returned { // nothing of this goroutine but deferred calls runs any more
			p.tell(slog.LevelError, "connection lost", errEnded)
		}
	}()
	for {
		batch, err := p.conn.RecvBatch(p.ctx)
		if err == nil {
			err = p.answerBatch(batch)
		}
		if err == nil {
			continue
		}
		if p.ctx.Err() != nil {
			err = context.Cause(p.ctx)
		}
		isEnd := err == io.EOF || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		if !isEnd { // of the peer or of us
			p.tell(slog.LevelWarn, "connection lost", err)
		}
		returned = true
		return
	}
}

// close ends the connection without waiting for the peer, which asks again elsewhere
// what it has asked.
func (p *peer) close() {
	p.end(nil)
	p.conn.CloseNow()
}

// answerBatch answers the requests to which it has the replies at hand, and then
// starts the decisions about the others, as far as there are places for them. It
// waits for nobody but the peer, who has to take its replies.
func (p *peer) answerBatch(batch [][][]byte) error {
	sending, cancel := context.WithTimeoutCause(p.ctx, sendPatience, errUnread)
	defer cancel()
	slow, err := p.answerAtOnce(sending, batch)
	if err != nil {
		return err
	}
	if p.malformed == 0 {
		p.peers.asked(p) // before it can know
	}
	if err := p.conn.Flush(sending); err != nil {
		return unread(sending, err)
	}
	return p.startDecisions(sending, slow)
}

// answerLater answers a request that can't be answered at once, see zap.AnswerAtOnce.
type answerLater = func(context.Context, zap.Handler) (reply [][]byte, err error)

// answerAtOnce answers the requests that the handler decides at once, and returns the
// others.
func (p *peer) answerAtOnce(sending context.Context, batch [][][]byte) (slow []answerLater, err error) {
	p.atOnce.Add(1)
	defer p.atOnce.Add(-1)
	for _, frames := range batch {
		reply, later, err := zap.AnswerAtOnce(p.handler, p.asker, frames)
		if errors.Is(err, zap.ErrRequest) {
			p.malformed++
		} else {
			p.malformed = 0
		}
		if later != nil {
			slow = append(slow, later)
			continue
		}
		if err := p.reply(sending, p.conn.Queue, reply, err); err != nil {
			return nil, err
		}
		if p.malformed >= maxMalformed {
			return nil, errMalformed
		}
	}
	return slow, nil
}

// startDecisions starts the decisions about requests, as far as there are places for them.
func (p *peer) startDecisions(sending context.Context, slow []answerLater) error {
	full := false
	for _, answer := range slow {
		ok := p.takePlace()
		if !ok && !full {
			full = true
			runtime.Gosched() // to decisions that need no time
			ok = p.takePlace()
		}
		if !ok {
			reply, err := answer(context.Background(), zap.HandlerFunc(p.busy))
			if err := p.reply(sending, p.conn.Queue, reply, err); err != nil {
				return err
			}
			continue
		}
		p.deciding.Go(func() {
			if err := p.decide(answer); err != nil {
				p.end(err)
			}
			<-p.undecided
		})
	}
	return unread(sending, p.conn.Flush(sending))
}

// takePlace takes a place among the decisions under way, of this connection and of
// all, if there is one.
func (p *peer) takePlace() bool {
	select {
	case p.undecided <- struct{}{}:
	default:
		return false
	}
	select {
	case p.decisions <- struct{}{}:
		return true
	default:
		<-p.undecided
		return false
	}
}

// busy answers where there is no place.
func (p *peer) busy(context.Context, *zap.Request) zap.Reply {
	p.tell(slog.LevelWarn, "client told to try later", errBusyServer)
	return tryLater(errBusyServer.Error())
}

var errBusyServer = errors.New("too many requests under way")

// decide decides one request and sends the reply. It leaves the place among all
// decisions before it sends: a peer that doesn't read takes none from others. The
// error ends the connection.
func (p *peer) decide(answer answerLater) error {
	deciding, cancel := context.WithTimeout(p.ctx, maxDecisionTime)
	reply, err := answer(deciding, p.handler)
	cancel()
	<-p.decisions
	if p.ctx.Err() != nil {
		return nil // the reply may say no more than that there was no time
	}
	sending, cancel := context.WithTimeoutCause(p.ctx, sendPatience, errUnread)
	defer cancel()
	return p.reply(sending, p.conn.Send, reply, err)
}

// reply sends a reply, if there is one, and tells why a request was answered in the
// handler's place, or not at all. The error ends the connection.
func (p *peer) reply(ctx context.Context, send func(context.Context, ...[]byte) error, reply [][]byte, fault error) error {
	if errors.Is(fault, zap.ErrRequest) {
		p.tell(slog.LevelWarn, "bad request", fault)
	} else if fault != nil {
		p.tell(slog.LevelError, "the handler failed", fault)
	}
	if reply == nil {
		return nil
	}
	return unread(ctx, send(ctx, reply...))
}

// unread says what it means that sending took too long.
func unread(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
