package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// defaultWait is used if Options.Wait is zero.
const defaultWait = 5 * time.Second

const (
	// maxWaiting bounds the requests that wait for a reply.
	maxWaiting = 4096
	// maxSent is how often a request is sent. If two connections are lost after the same
	// request, the request may be the reason.
	maxSent = 2
)

// Heartbeats on a link that sets none. After twice linkHeartbeat, the handler notices a
// server that is gone without closing the connection. It notices sooner if there is
// another server.
const (
	linkHeartbeat            = 5 * time.Second
	failoverHeartbeat        = 250 * time.Millisecond
	failoverHeartbeatTimeout = 500 * time.Millisecond
)

// Options says how a Handler asks. The zero value is for one server on this machine.
type Options struct {
	// Link says how the connection is secured: its Mechanism, with the keys or
	// credentials for it. An empty Mechanism means NULL, which is allowed for loopback
	// and ipc only. Link applies to all endpoints; with CURVE, their servers share one
	// key. If HeartbeatInterval is zero, there is a heartbeat every 5 seconds, or every
	// 250 ms if there are several endpoints.
	Link zmtp.Config
	// Wait is how long a request waits for a reply, even while no server can be reached.
	// Zero means 5 seconds.
	Wait time.Duration
	// Log receives a message when the connection is lost, when it is restored, and when a
	// reply is invalid. If Log is nil, nothing is logged.
	Log *slog.Logger
}

// Handler is a zap.Keeper that asks a ZAP server in another process. It keeps one
// connection, and reconnects when that is lost. The zero value admits no client. Safe for
// concurrent use.
type Handler struct {
	link    zmtp.Config
	wait    time.Duration
	targets []*target
	log     *tally.Log

	lastID  atomic.Uint64
	cancel  context.CancelFunc
	closing <-chan struct{} // closed when Close is called
	done    chan struct{}   // closed when all goroutines have ended
	down    bool            // the log says that a server is down; only run uses it
	unsent  chan struct{}   // of capacity 1: the queue is not empty

	mu        sync.Mutex
	connected bool
	waiting   map[uint64]*question
	queue     []*question // to be sent on this connection; some may have ended

	notifies bool // the server of this connection watches admissions
	kept     map[admissionID]*kept
	maxKept  int
	notices  []*kept // what this connection needs notices about; some may need none any more
}

// NewHandler returns a handler that asks the server at an endpoint, tcp://HOST:PORT or
// ipc://PATH. It does not wait for the server. With several endpoints, it asks one
// server, and switches to the next within a second if that server is lost or does not
// answer heartbeats. Each server decides for all of them, so trust them equally.
//
// It returns an error if an endpoint or the link is invalid. The caller must close the
// handler.
func NewHandler(opts Options, endpoints ...string) (*Handler, error) {
	link := opts.Link
	link.SocketType = "DEALER"
	link.Properties = slices.Concat(link.Properties, announcement)
	if link.Mechanism == "" {
		link.Mechanism = zap.Null
	}
	if link.HeartbeatInterval == 0 {
		link.HeartbeatInterval = linkHeartbeat
		if len(endpoints) > 1 {
			link.HeartbeatInterval, link.HeartbeatTimeout = failoverHeartbeat, failoverHeartbeatTimeout
		}
	}
	if opts.Wait < 0 {
		return nil, errors.New("remote: Wait is negative")
	}
	if len(endpoints) == 0 {
		return nil, errors.New("remote: no endpoint")
	}
	targets := make([]*target, len(endpoints))
	for i, at := range endpoints {
		if err := endpoint.CheckDial(at); err != nil {
			return nil, fmt.Errorf("remote: %w", err)
		}
		if link.Mechanism != zap.Curve && !endpoint.IsLocal(at) {
			return nil, fmt.Errorf("remote: %s is on another machine: set Link to CURVE", at)
		}
		targets[i] = &target{endpoint: at, turn: i}
	}
	if err := link.CheckClient(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &Handler{
		link: link, wait: cmp.Or(opts.Wait, defaultWait), targets: targets, log: tally.NewLog(opts.Log),
		cancel: cancel, closing: ctx.Done(), done: make(chan struct{}),
		unsent: make(chan struct{}, 1), waiting: map[uint64]*question{}, kept: map[admissionID]*kept{}, maxKept: maxKept,
	}
	go h.run(ctx)
	return h, nil
}

// Close closes the connection and waits until all goroutines have ended. Pending requests
// get status 300. Close can be called more than once.
func (h *Handler) Close() error {
	if h.cancel == nil { // the zero Handler
		return nil
	}
	h.cancel()
	<-h.done
	return nil
}

// Handle asks the server. It returns status 300 if there is no reply in time, if too many
// requests wait, if ctx is done, or if two connections were lost after this request. It
// returns status 500 if the request or the reply is malformed. It copies the request, and
// wipes the copy.
func (h *Handler) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	if h.cancel == nil {
		return zap.Reply{Status: zap.StatusError, Text: "the handler was not created by NewHandler"}
	}
	ctx, cancel := context.WithTimeout(ctx, h.wait)
	defer cancel()
	q, err := h.ask(req)
	if errors.Is(err, zap.ErrRequest) {
		return zap.Reply{Status: zap.StatusError, Text: "malformed request"}
	} else if err != nil {
		return tryLater(err.Error())
	}
	defer h.forget(q)
	select {
	case reply := <-q.reply:
		return reply
	case <-h.closing:
		return tryLater("the handler is closed")
	case <-ctx.Done():
		return tryLater("no reply in time")
	}
}

func tryLater(text string) zap.Reply { return zap.Reply{Status: zap.StatusTryLater, Text: text} }
