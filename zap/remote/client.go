package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// DefaultWait is how long a request waits for the server if ClientConfig
// doesn't say.
const DefaultWait = 5 * time.Second

const (
	// maxWaiting bounds the requests that wait for an answer.
	maxWaiting = 4096
	// maxSent is how often a request is sent. A server that is lost with a request
	// twice may be lost because of it.
	maxSent = 2
)

// Heartbeats on a link that sets none. A server that is gone without closing the
// connection is noticed in twice linkHeartbeat, and sooner if there is another to ask.
const (
	linkHeartbeat            = 5 * time.Second
	failoverHeartbeat        = 250 * time.Millisecond
	failoverHeartbeatTimeout = 500 * time.Millisecond
)

// ClientConfig says whom a Client asks, and how.
type ClientConfig struct {
	// Endpoints are where servers listen, tcp://HOST:PORT or ipc://PATH. One of them is
	// asked. When it is lost, or doesn't answer heartbeats, the next is, within a
	// second. Each of them decides for all: trust them equally.
	Endpoints []string
	// Link says how the connection is secured: Mechanism with what belongs to
	// it. No Mechanism means NULL, which is refused beyond loopback and ipc. It is the
	// same for all endpoints; with CURVE they share one key. Without a
	// HeartbeatInterval there are heartbeats every 5 seconds, and every 250 ms if there
	// are several endpoints.
	Link zmtp.Config
	// Wait is how long a request waits for an answer, and meanwhile for a
	// server that can't be reached. Zero means DefaultWait.
	Wait time.Duration
	// Log is told when the server is lost and when it is back. Nil is nowhere.
	Log *slog.Logger
}

// Client asks a server over one connection, which it makes again whenever it
// is lost. It is a zap.Handler, safe for concurrent use.
type Client struct {
	link    zmtp.Config
	wait    time.Duration
	targets []*target
	log     *tally.Log

	lastID  atomic.Uint64
	cancel  context.CancelFunc
	closing <-chan struct{} // closed when Close is called
	done    chan struct{}   // closed when nothing is left running
	down    bool            // it has been told that a server is down; only run uses it
	unsent  chan struct{}   // of capacity 1: there is something in queue

	mu        sync.Mutex
	connected bool
	waiting   map[uint64]*question
	queue     []*question // to be sent on this connection; some may be over
}

// NewClient starts a client. It doesn't wait for the server. The error is
// zmtp.ErrConfig or zmtp.ErrEndpoint. Close the client when it is no longer
// needed.
func NewClient(cfg ClientConfig) (*Client, error) {
	link := cfg.Link
	link.SocketType = "DEALER"
	if link.Mechanism == "" {
		link.Mechanism = zap.Null
	}
	if link.HeartbeatInterval == 0 {
		link.HeartbeatInterval = linkHeartbeat
		if len(cfg.Endpoints) > 1 {
			link.HeartbeatInterval, link.HeartbeatTimeout = failoverHeartbeat, failoverHeartbeatTimeout
		}
	}
	if cfg.Wait < 0 {
		return nil, fmt.Errorf("%w: negative Wait", zmtp.ErrConfig)
	}
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	if len(cfg.Endpoints) == 0 {
		return nil, fmt.Errorf("%w: no endpoint to ask", zmtp.ErrConfig)
	}
	targets := make([]*target, len(cfg.Endpoints))
	for i, endpoint := range cfg.Endpoints {
		if err := zmtp.CheckDialEndpoint(endpoint); err != nil {
			return nil, err
		}
		if link.Mechanism != zap.Curve && !zmtp.IsLocal(endpoint) {
			return nil, fmt.Errorf("%w: asking %s needs CURVE: it is beyond this machine", zmtp.ErrConfig, endpoint)
		}
		targets[i] = &target{endpoint: endpoint, turn: i}
	}
	if err := link.CheckClient(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		link: link, wait: cfg.Wait, targets: targets, log: tally.NewLog(cfg.Log),
		cancel: cancel, closing: ctx.Done(), done: make(chan struct{}),
		unsent: make(chan struct{}, 1), waiting: map[uint64]*question{},
	}
	go c.run(ctx)
	return c, nil
}

// Close ends the connection. Requests that wait are answered with status 300.
func (c *Client) Close() error {
	c.cancel()
	<-c.done
	return nil
}

// Handle asks the server. It answers with status 300 itself when no answer has
// come in time, when too many requests wait, when ctx is done, or when the server was
// lost twice with this request; and with 500 when the request can't be written, or the
// reply can't be read. The request may be changed when Handle returns: it is copied,
// and the copy wiped.
func (c *Client) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	q, err := c.ask(req)
	if errors.Is(err, zap.ErrRequest) {
		return zap.Reply{Status: zap.StatusError, Text: "malformed request"}
	} else if err != nil {
		return tryLater(err.Error())
	}
	defer c.forget(q)
	select {
	case reply := <-q.reply:
		return reply
	case <-c.closing:
		return tryLater("the client is closed")
	case <-ctx.Done():
		return tryLater("no answer in time")
	}
}

func tryLater(text string) zap.Reply { return zap.Reply{Status: zap.StatusTryLater, Text: text} }
