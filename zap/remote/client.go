package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// DefaultWait is how long a request waits for the server if ClientConfig
// doesn't say.
const DefaultWait = 5 * time.Second

// maxWaiting bounds the requests that wait for an answer.
const maxWaiting = 4096

// Pauses between attempts to connect.
const (
	minPause     = 50 * time.Millisecond
	maxPause     = 200 * time.Millisecond
	refusedPause = 5 * time.Second
)

// linkHeartbeat is the interval of heartbeats on a link that sets none. A
// server that is gone without closing the connection is noticed in twice that.
const linkHeartbeat = 5 * time.Second

// ClientConfig says whom a Client asks, and how.
type ClientConfig struct {
	// Endpoint is where the server listens, tcp://HOST:PORT or ipc://PATH.
	Endpoint string
	// Link says how the connection is secured: Mechanism with what belongs to
	// it. No Mechanism means NULL, which is refused beyond loopback and ipc.
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
	cfg    ClientConfig
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	conn    *zmtp.Conn // nil while there is none
	lastID  uint64
	waiting map[uint64]*question
}

// question is a request that waits for its answer.
type question struct {
	frames [][]byte
	reply  chan zap.Reply // of capacity 1
}

// NewClient starts a client. It doesn't wait for the server. The error is
// zmtp.ErrConfig or zmtp.ErrEndpoint. Close the client when it is no longer
// needed.
func NewClient(cfg ClientConfig) (*Client, error) {
	cfg.Link.SocketType = "DEALER"
	if cfg.Link.Mechanism == "" {
		cfg.Link.Mechanism = zap.MechanismNull
	}
	if cfg.Link.HeartbeatInterval == 0 {
		cfg.Link.HeartbeatInterval = linkHeartbeat
	}
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := zmtp.CheckEndpoint(cfg.Endpoint); err != nil {
		return nil, err
	}
	if err := cfg.Link.CheckClient(); err != nil {
		return nil, err
	}
	if cfg.Link.Mechanism != zap.MechanismCurve && !zmtp.IsLocal(cfg.Endpoint) {
		return nil, fmt.Errorf("%w: asking %s needs CURVE: it is beyond this machine", zmtp.ErrConfig, cfg.Endpoint)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{cfg: cfg, cancel: cancel, done: make(chan struct{}), waiting: map[uint64]*question{}}
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
// come in time, when too many requests wait, or when ctx is done; and with 500
// when the request can't be written.
func (c *Client) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Wait)
	defer cancel()
	q := &question{reply: make(chan zap.Reply, 1)}
	id, conn, err := c.enqueue(q, req)
	if err != nil {
		if errors.Is(err, zap.ErrRequest) {
			return zap.Reply{Status: zap.StatusError, Text: "malformed request"}
		}
		return tryLater(err.Error())
	}
	defer c.dequeue(id)
	if conn != nil {
		// If this fails the connection is lost, and the question goes out again
		// on the next one. It isn't bound to ctx: who gives up in the middle of a
		// message would take the connection from all others.
		sendCtx, cancel := context.WithTimeout(context.Background(), c.cfg.Wait)
		if conn.Queue(sendCtx, q.frames...) == nil {
			runtime.Gosched() // others may have questions for the same write
			conn.Flush(sendCtx)
		}
		cancel()
	}
	select {
	case reply := <-q.reply:
		return reply
	case <-c.done:
		return tryLater("the client is closed")
	case <-ctx.Done():
		return tryLater("no answer from " + c.cfg.Endpoint)
	}
}

func tryLater(text string) zap.Reply { return zap.Reply{Status: zap.StatusTryLater, Text: text} }

// errBusy means that maxWaiting requests wait already.
var errBusy = errors.New("too many requests wait for an answer")

// enqueue writes the request under an id of its own and lets it wait. It
// returns the connection to send it on; without one it goes out when there is.
func (c *Client) enqueue(q *question, req *zap.Request) (uint64, *zmtp.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) >= maxWaiting {
		return 0, nil, errBusy
	}
	id := c.lastID + 1
	var err error
	env := zap.Envelope{RequestID: binary.BigEndian.AppendUint64(nil, id)}
	if q.frames, err = zap.AppendRequest(nil, env, req); err != nil {
		return 0, nil, err
	}
	c.lastID = id
	c.waiting[id] = q
	return id, c.conn, nil
}

func (c *Client) dequeue(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// run keeps a connection until ctx is done.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	pause := minPause
	lost := false
	for ctx.Err() == nil {
		conn, err := zmtp.Dial(ctx, c.cfg.Endpoint, c.cfg.Link)
		if err == nil {
			if lost {
				c.cfg.Log.Info("connected again", "endpoint", c.cfg.Endpoint)
			}
			lost, pause = false, minPause
			err = c.serve(ctx, conn)
		}
		if ctx.Err() != nil {
			return
		}
		if !lost {
			c.cfg.Log.Warn("no connection: trying again", "endpoint", c.cfg.Endpoint, "err", err)
			lost = true
		}
		// Who is refused goes on asking, in case the operator lets it in, but
		// doesn't press.
		var refused *zmtp.RefusedError
		if errors.As(err, &refused) {
			pause = refusedPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxPause)
	}
}

// serve sends what waits, and hands out replies until the connection ends. It
// takes replies from the start: a server that can't get rid of them takes no more
// requests.
func (c *Client) serve(ctx context.Context, conn *zmtp.Conn) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	defer conn.Close()
	questions := c.attach(conn)
	defer c.detach()
	sending.Go(func() {
		for _, q := range questions {
			if err := conn.Queue(ctx, q.frames...); err != nil {
				conn.Close() // which ends the receiving too
				return
			}
		}
		if err := conn.Flush(ctx); err != nil {
			conn.Close()
		}
	})
	for {
		frames, err := conn.Recv(ctx)
		if err != nil {
			return err
		}
		env, reply, err := zap.ParseReply(frames)
		if err != nil {
			// If it can be told whose it is, that one needn't wait.
			c.cfg.Log.Warn("bad reply", "endpoint", c.cfg.Endpoint, "err", err)
			reply = zap.Reply{Status: zap.StatusError, Text: "malformed reply"}
		}
		if !c.deliver(env.RequestID, reply) && err == nil {
			c.cfg.Log.Warn("reply to an unknown request", "endpoint", c.cfg.Endpoint, "id", fmt.Sprintf("%x", env.RequestID))
		}
	}
}

// attach makes conn the connection to send on, and returns the questions that
// have to be sent on it first.
func (c *Client) attach(conn *zmtp.Conn) []*question {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	questions := make([]*question, 0, len(c.waiting))
	for _, q := range c.waiting {
		questions = append(questions, q)
	}
	return questions
}

func (c *Client) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
}

// deliver gives a reply to the one who waits for it, if anybody still does. It
// reports whether there ever was a request of that id.
func (c *Client) deliver(requestID []byte, reply zap.Reply) bool {
	if len(requestID) != 8 {
		return false
	}
	id := binary.BigEndian.Uint64(requestID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if q, ok := c.waiting[id]; ok {
		delete(c.waiting, id)
		q.reply <- reply
	}
	return 0 < id && id <= c.lastID
}
