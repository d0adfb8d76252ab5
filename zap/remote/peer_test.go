package remote

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// These tests use the clock of testing/synctest.

// pair is a peer of a server, and the other end of its connection.
type pair struct {
	server *server
	peer   *peer
	asker  *zmtp.Conn
	log    ztest.Log
	ended  chan bool // closed when the peer's connection has ended
	all    atomic.Int64
}

// newPair connects an asker with a server, in a bubble of synctest.
func newPair(t *testing.T, asker zmtp.Config, handler zap.Handler) *pair {
	t.Helper()
	p := &pair{}
	p.server = newServer(handler, p.log.Logger())
	p.server.decisions = make(chan struct{}, maxDecisions) // not shared with other tests
	p.server.watches.all = &p.all
	t.Cleanup(p.server.log.Close)
	p.connect(t, asker)
	return p
}

// connect connects an asker with the server.
func (p *pair) connect(t *testing.T, asker zmtp.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() {
		conn, err := zmtp.Server(t.Context(), far, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
		if err == nil {
			p.peer = p.server.newPeer(ctx, conn)
		}
		served <- err
	}()
	asker.SocketType, asker.Mechanism = "DEALER", zap.Null
	client, err := zmtp.Client(t.Context(), near, asker)
	ztest.Must(t, err, <-served)
	peer, ended := p.peer, make(chan bool)
	p.asker, p.ended = client, ended
	go func() {
		peer.serve()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		client.Close()
		<-ended
	})
}

// ask sends requests with the ids 'a', 'b', ….
func (p *pair) ask(t *testing.T, requests int) {
	t.Helper()
	for i := range requests {
		frames, err := zap.AppendRequest(nil, []byte{byte('a' + i)}, &zap.Request{Mechanism: zap.Null})
		ztest.Must(t, err, p.asker.Send(t.Context(), frames...))
	}
}

// never is a handler that never returns.
func never(t *testing.T) zap.Handler {
	release := make(chan bool)
	t.Cleanup(func() { close(release) })
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		<-release
		return zap.Refuse("too late")
	})
}

// TestNeverDecided: a handler that never returns takes a place for 30 seconds. Then the
// reply is status 300.
func TestNeverDecided(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, zmtp.Config{}, never(t))
		start := time.Now()
		p.ask(t, 1)
		synctest.Wait()
		if len(p.server.decisions) != 1 || len(p.peer.undecided) != 1 {
			t.Errorf("%d and %d places are taken", len(p.server.decisions), len(p.peer.undecided))
		}
		frames, err := p.asker.Recv(t.Context())
		ztest.Must(t, err)
		_, reply, err := zap.ParseReply(frames)
		ztest.Must(t, err)
		if reply.Status != zap.StatusTryLater || time.Since(start) != maxDecisionTime {
			t.Errorf("%+v after %v", reply, time.Since(start))
		}
		synctest.Wait()
		if len(p.server.decisions) != 0 || len(p.peer.undecided) != 0 {
			t.Errorf("%d and %d places are taken afterwards", len(p.server.decisions), len(p.peer.undecided))
		}
	})
}

// TestBusyIsAlive: a server answers heartbeats, however many slow decisions are in
// progress.
func TestBusyIsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, zmtp.Config{HeartbeatInterval: 300 * time.Millisecond}, never(t))
		for range cap(p.peer.undecided) {
			p.peer.undecided <- struct{}{}
		}
		p.ask(t, 1)
		frames, err := p.asker.Recv(t.Context())
		ztest.Must(t, err)
		if _, reply, err := zap.ParseReply(frames); err != nil || reply.Status != zap.StatusTryLater {
			t.Errorf("without a place: %+v, %v", reply, err)
		}
		<-p.peer.undecided
		p.ask(t, 2)
		ctx, cancel := context.WithTimeout(t.Context(), maxDecisionTime/2)
		defer cancel()
		if _, err := p.asker.Recv(ctx); err != nil {
			t.Error(err) // the second one has no place
		}
		if _, err := p.asker.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the first is being decided: %v", err)
		}
	})
}

// TestUnread: the server disconnects a peer that receives no replies, whether they were
// decided at once or not.
func TestUnread(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]zap.Handler{"slow": refuse, "at once": refuseAtOnce{refuse}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, zmtp.Config{}, handler)
				start := time.Now()
				p.ask(t, 1)
				<-p.ended
				if took := time.Since(start); took < sendPatience || took > sendPatience+time.Second/10 {
					t.Errorf("the connection ends after %v", took)
				}
				if p.log.Count("connection lost", "the peer has received no replies for 10s") != 1 {
					t.Errorf("log:\n%s", &p.log)
				}
			})
		})
	}
}

var refuse = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Refuse("no") })

type refuseAtOnce struct{ zap.Handler }

func (refuseAtOnce) HandleAtOnce(*zap.Request) (zap.Reply, bool) { return zap.Refuse("no"), true }
