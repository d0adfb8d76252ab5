package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

const (
	// maxPeerDecisions bounds the slow decisions of one connection, including those whose
	// replies have not been sent.
	maxPeerDecisions = 1024
	// maxMalformed is the number of malformed requests in a row that ends a connection.
	maxMalformed = 100
	// sendPatience is how long a peer may leave replies unread.
	sendPatience = 10 * time.Second
)

// Reasons why the server closes a connection.
var (
	errMalformed = fmt.Errorf("%d malformed requests in a row", maxMalformed)
	errEnded     = errors.New("the handler ended its goroutine, in HandleAtOnce")
	errUnread    = fmt.Errorf("the peer has received no replies for %v", sendPatience)
)

// peer is a connection with requests.
type peer struct {
	*server
	conn      *zmtp.Conn
	asker     string                  // its zap.Request.Asker
	origin    origin                  // see places
	ctx       context.Context         // done when the connection must end
	end       context.CancelCauseFunc // cancels ctx, with the reason
	turn      atomic.Uint64           // see places
	undecided chan struct{}           // holds one for each slow decision without a reply
	deciding  sync.WaitGroup          // counts these decisions
	malformed int                     // malformed requests in a row; only serve uses it
	notifies  bool                    // the peer knows notices about open admissions
	asked     zap.Handler             // the server's handler; if the peer knows notices, with proofs
	kept      peerWatches
}

// newPeer returns a peer whose connection ends when ctx is done. The caller must call
// close or serve.
func (s *server) newPeer(ctx context.Context, conn *zmtp.Conn) *peer {
	// The asker has no port, so that it is the same for each connection.
	asker := "ipc"
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		asker = a.AddrPort().Addr().Unmap().String()
	}
	from := s.originOf(conn.RemoteAddr(), conn.User().ID)
	if user := conn.User().ID; user != "" {
		asker += " (" + user + ")"
	}
	p := &peer{server: s, conn: conn, asker: asker, origin: from, undecided: make(chan struct{}, maxPeerDecisions),
		notifies: knowsNotices(conn), asked: s.handler}
	if p.notifies {
		p.asked = proving{p}
	}
	p.ctx, p.end = context.WithCancelCause(ctx)
	return p
}

// tell logs an event of this peer, or counts it.
func (p *peer) tell(level slog.Level, message string, err error) {
	attrs := []slog.Attr{slog.String("peer", p.conn.RemoteAddr().String())}
	if user := p.conn.User().ID; user != "" {
		attrs = append(attrs, slog.String("user", user))
	}
	cause, _, _ := strings.Cut(err.Error(), "\n") // without the stack of a panic
	p.log.Tell(level, message, p.asker, cause, append(attrs, slog.Any("err", err))...)
}

// serve answers requests until the connection ends.
func (p *peer) serve() {
	defer p.deciding.Wait()
	defer p.leaveKept()
	defer p.close()
	returned := false
	defer func() {
		if !returned { // the handler ended this goroutine: only deferred calls run
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
		if !isEnd {
			p.tell(slog.LevelWarn, "connection lost", err)
		}
		returned = true
		return
	}
}

// close ends the connection without waiting for the peer, which sends its requests to
// another server.
func (p *peer) close() {
	p.end(nil)
	p.conn.CloseNow()
}

// answerBatch answers the requests that the handler decides at once, and then starts the
// decisions about the others, as far as there are places for them. It waits only for the
// peer to receive its replies.
func (p *peer) answerBatch(batch [][][]byte) error {
	sending, cancel := context.WithTimeoutCause(p.ctx, sendPatience, errUnread)
	defer cancel()
	slow, err := p.answerAtOnce(sending, batch)
	if err != nil {
		return err
	}
	if p.malformed == 0 {
		p.peers.asked(p) // before the peer has its reply
	}
	if err := p.conn.Flush(sending); err != nil {
		return unread(sending, err)
	}
	return p.startDecisions(sending, slow)
}

// answerLater answers a request that can't be answered at once. See zap.AnswerAtOnce.
type answerLater = func(context.Context, zap.Handler) (reply [][]byte, err error)

// answerAtOnce answers the requests that the handler decides at once, does what notices say,
// and returns the other requests.
func (p *peer) answerAtOnce(sending context.Context, batch [][][]byte) (slow []answerLater, err error) {
	p.atOnce.Add(1)
	defer p.atOnce.Add(-1)
	for _, frames := range batch {
		var later answerLater
		reply, isNotice, err := p.answerNotice(frames)
		if !isNotice {
			reply, later, err = zap.AnswerAtOnce(p.asked, p.asker, frames)
		}
		if errors.Is(err, zap.ErrRequest) {
			p.malformed++
		} else {
			p.malformed = 0
		}
		if later != nil {
			slow = append(slow, later)
			continue
		}
		if reply != nil || err != nil {
			if err := p.reply(sending, p.conn.Queue, reply, err); err != nil {
				return nil, err
			}
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
			runtime.Gosched() // some decisions may be about to end
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

// takePlace takes a place among the slow decisions of this connection, and another among
// those of all connections. It reports whether both were free.
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

// busy is the handler of requests without a place.
func (p *peer) busy(context.Context, *zap.Request) zap.Reply {
	hits.decisions.Add(1)
	p.tell(slog.LevelWarn, "client told to try later", errBusyServer)
	return tryLater(errBusyServer.Error())
}

var errBusyServer = errors.New("too many requests in progress")

// decide decides one request and sends the reply. It gives up the place among all
// connections before it sends, so that a peer that does not read takes no place from
// others. An error ends the connection.
func (p *peer) decide(answer answerLater) error {
	deciding, cancel := context.WithTimeout(p.ctx, maxDecisionTime)
	reply, err := answer(deciding, p.asked)
	cancel()
	<-p.decisions
	if p.ctx.Err() != nil {
		return nil // the reply may be a refusal only for lack of time
	}
	sending, cancel := context.WithTimeoutCause(p.ctx, sendPatience, errUnread)
	defer cancel()
	return p.reply(sending, p.conn.Send, reply, err)
}

// reply sends a reply, if any. It logs why a request got a reply that is not the
// handler's, or none. An error ends the connection.
func (p *peer) reply(ctx context.Context, send func(context.Context, ...[]byte) error, reply [][]byte, fault error) error {
	if errors.Is(fault, zap.ErrRequest) {
		hits.malformed.Add(1)
		message := "malformed ZAP request"
		if reply == nil {
			message = "malformed ZAP request: no return address, dropped"
		}
		p.tell(slog.LevelWarn, message, fault)
	} else if fault != nil {
		p.tell(slog.LevelError, "the ZAP handler failed", fault)
	}
	if reply == nil {
		return nil
	}
	return unread(ctx, send(ctx, reply...))
}

// unread returns ctx's cause if sending failed because ctx is done.
func unread(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
