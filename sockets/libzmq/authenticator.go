package libzmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
)

// endpoint is where libzmq looks for a ZAP handler (RFC 27, Architecture).
const endpoint = "inproc://zeromq.zap.01"

const (
	// maxInFlight bounds the decisions in progress. It is large because a handler that
	// asks another process may wait for seconds.
	maxInFlight = 1024
	// batch is the number of requests that are received before replies are sent.
	batch = 64
	// decisionTime bounds a decision. It is libzmq's default time limit for a handshake
	// (ZMQ_HANDSHAKE_IVL).
	decisionTime = 30 * time.Second
	// stuckTime is the minimum time that Close waits for a call of HandleAtOnce. It waits
	// at most twice as long.
	stuckTime = 40 * time.Millisecond
	// pause is how long to wait after an unknown error before the next attempt.
	pause = 100 * time.Millisecond
)

// errInUse means that another ZAP handler is bound in the context.
var errInUse = errors.New("libzmq: another ZAP handler is bound in this context")

// Authenticator answers the ZAP requests of one libzmq context, until Close is called or
// the libzmq context is terminated. It logs that it has stopped: after that, server
// sockets configured by SetServer admit no more clients.
//
// If the handler takes longer than 30 seconds, the reply is status 300, and the handler
// is left running. At most 1,024 decisions are in progress. Requests beyond that get
// status 300 at once, except those that the handler decides at once.
//
// Clients cannot flood the log. Messages that repeat within a minute are counted, and
// each address causes at most 20 lines a minute.
//
// Safe for concurrent use.
type Authenticator struct {
	handler  zap.Handler
	patience time.Duration // for a decision
	log      *slog.Logger
	tally    *tally.Log // writes to log
	cancel   context.CancelFunc
	atOnce   atomic.Uint64 // number of calls of HandleAtOnce, plus number of returns: odd during a call
	router   *zmq4.Socket  // used by serve only
	messages *messenger    // of router
	woken    *zmq4.Socket  // used by serve only; readable when there is something to do

	mu      sync.Mutex
	wake    *zmq4.Socket // the other end of woken
	asleep  bool         // serve waits for woken or router, or is about to
	replies [][][]byte   // to be sent

	requests sync.WaitGroup
	slots    chan struct{}
	done     chan struct{}
}

// Start binds inproc://zeromq.zap.01 in a libzmq context and answers each request there
// with the handler. If zctx is nil, it uses the default context of zmq4. It returns an
// error if another handler is bound in the context. If log is nil, nothing is logged.
func Start(zctx *zmq4.Context, h zap.Handler, log *slog.Logger) (*Authenticator, error) {
	return start(zctx, h, log, decisionTime)
}

// start is Start with a different bound for decisions.
func start(zctx *zmq4.Context, h zap.Handler, log *slog.Logger, patience time.Duration) (*Authenticator, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &Authenticator{handler: h, patience: patience, log: log, tally: tally.NewLog(log), cancel: cancel,
		asleep: true, slots: make(chan struct{}, maxInFlight), done: make(chan struct{})}
	if err := a.open(zctx); err != nil {
		cancel()
		a.closeSockets()
		return nil, err
	}
	go func() {
		defer close(a.done)
		for !a.serveOn(ctx) {
			a.tally.Tell(slog.LevelError, "the ZAP handler ended its goroutine: continuing", "", "")
		}
		cancel()
		a.router.Unbind(endpoint) // returns at once; Close does this in the background
		a.requests.Wait()
		a.closeSockets()
		a.tally.Close()
		a.log.Info("ZAP handler stopped: servers in a ZAP domain admit no more clients", "endpoint", endpoint)
	}()
	return a, nil
}

// serveOn calls serve in another goroutine. It returns false if a handler has ended that
// goroutine by calling runtime.Goexit in HandleAtOnce.
func (a *Authenticator) serveOn(ctx context.Context) bool {
	ended := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		a.serve(ctx)
		returned = true
	}()
	return <-ended
}

// Close unbinds the endpoint and ends the decisions in progress. Their clients get no
// reply, and try again. Close waits until all goroutines have ended, except for handlers
// that do not return: it does not wait for Handle once its context is done, and waits for
// HandleAtOnce for 0.1 seconds at most. If HandleAtOnce takes longer, the endpoint stays
// bound until it returns. The error is always nil. Close can be called more than once.
//
// Close the server sockets first: without a handler, they admit no client.
func (a *Authenticator) Close() error {
	if a.cancel == nil { // the zero Authenticator
		return nil
	}
	a.cancel()
	a.wakeUp()
	for before := uint64(0); ; {
		select {
		case <-a.done:
			return nil
		case <-time.After(stuckTime):
		}
		now := a.atOnce.Load()
		if now == before && now%2 == 1 {
			a.log.Error("the ZAP handler does not return from HandleAtOnce: not waiting for it")
			return nil
		}
		before = now
	}
}

// wakeCount makes the endpoints of wake sockets unique.
var wakeCount atomic.Uint64

// open creates and binds the sockets.
func (a *Authenticator) open(zctx *zmq4.Context) (err error) {
	newSocket := zmq4.NewSocket
	if zctx != nil {
		newSocket = zctx.NewSocket
	}
	for _, s := range []struct {
		sock **zmq4.Socket
		kind zmq4.Type
	}{{&a.router, zmq4.ROUTER}, {&a.woken, zmq4.PAIR}, {&a.wake, zmq4.PAIR}} {
		if *s.sock, err = newSocket(s.kind); err != nil {
			return fmt.Errorf("libzmq: creating a socket failed: %w", err)
		}
		if err := (*s.sock).SetLinger(0); err != nil {
			return fmt.Errorf("libzmq: %w", err)
		}
	}
	if err := uninterrupted(func() (err error) { a.messages, err = newMessenger(a.router); return err }); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if err := uninterrupted(func() error { return a.router.Bind(endpoint) }); err != nil {
		if zmq4.AsErrno(err) == zmq4.EADDRINUSE {
			return errInUse
		}
		return fmt.Errorf("libzmq: binding %s failed: %w", endpoint, err)
	}
	wake := fmt.Sprintf("inproc://zcurve.zap.wake.%d", wakeCount.Add(1))
	if err := uninterrupted(func() error { return a.woken.Bind(wake) }); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if err := uninterrupted(func() error { return a.wake.Connect(wake) }); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	return nil
}

// uninterrupted calls f until no signal interrupts it. A call that libzmq reports as
// interrupted has had no effect.
func uninterrupted(f func() error) error {
	for {
		if err := f(); !isInterrupted(err) {
			return err
		}
	}
}

func (a *Authenticator) closeSockets() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, sock := range []*zmq4.Socket{a.router, a.woken, a.wake} {
		if sock != nil {
			sock.Close()
		}
	}
}

// wakeUp makes serve check for replies and for the end of its context.
func (a *Authenticator) wakeUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wakeUpLocked()
}

func (a *Authenticator) wakeUpLocked() {
	for a.asleep {
		_, err := a.wake.SendBytes(nil, zmq4.DONTWAIT)
		a.asleep = isInterrupted(err)
	}
}

// serve receives requests and sends replies until ctx is done or libzmq's context is
// terminated.
func (a *Authenticator) serve(ctx context.Context) {
	poller := zmq4.NewPoller()
	poller.Add(a.router, zmq4.POLLIN)
	poller.Add(a.woken, zmq4.POLLIN)
	a.sendReplies() // handlers from an earlier call
	for ctx.Err() == nil {
		ready, err := poller.Poll(-1)
		if err != nil && !a.survives(err) {
			return
		}
		a.mu.Lock()
		a.asleep = false
		a.mu.Unlock()
		for _, polled := range ready {
			if polled.Socket == a.woken {
				a.woken.RecvBytes(zmq4.DONTWAIT)
			} else if err := a.takeAll(ctx); err != nil && !a.survives(err) {
				return
			}
		}
		runtime.Gosched() // since such decisions take no time
		a.sendReplies()
	}
}

// takeAll takes the requests that have arrived, up to batch of them.
func (a *Authenticator) takeAll(ctx context.Context) error {
	for range batch {
		frames, err := a.messages.receive()
		if isEmpty(err) {
			return nil
		}
		if errors.Is(err, errTooLarge) {
			a.tally.Tell(slog.LevelWarn, "malformed ZAP request", "", err.Error(), slog.Any("err", err))
			a.answer(frames, malformed)
			continue
		}
		if err != nil {
			return err
		}
		a.take(ctx, frames)
	}
	return nil
}

// survives reports whether to continue after an error of libzmq. It returns false only if
// the context has been terminated.
func (a *Authenticator) survives(err error) bool {
	if zmq4.AsErrno(err) == zmq4.ETERM {
		return false
	}
	if !isInterrupted(err) {
		a.tally.Tell(slog.LevelError, "receiving a ZAP request failed: retrying", "", err.Error(), slog.Any("err", err))
		time.Sleep(pause)
	}
	return true
}

func isInterrupted(err error) bool {
	return err != nil && zmq4.AsErrno(err) == zmq4.Errno(syscall.EINTR)
}

func isEmpty(err error) bool {
	return err != nil && zmq4.AsErrno(err) == zmq4.Errno(syscall.EAGAIN)
}

// Replies that are sent instead of the handler's.
var (
	malformed = zap.Reply{Status: zap.StatusError, Text: "malformed request"}
	failed    = zap.Reply{Status: zap.StatusError, Text: "internal error"}
	busy      = zap.Reply{Status: zap.StatusTryLater, Text: "too many requests in progress"}
)

// answer answers a request without asking the handler.
func (a *Authenticator) answer(frames [][]byte, with zap.Reply) {
	reply, _ := zap.Answer(context.Background(), always(with), "", frames)
	a.send(reply)
}

// always returns a handler with the same reply for all requests.
func always(reply zap.Reply) zap.Handler {
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply })
}

// take answers one request, or starts its decision.
func (a *Authenticator) take(ctx context.Context, frames [][]byte) {
	answer := a.takeAtOnce(frames)
	if answer == nil {
		return
	}
	select {
	case a.slots <- struct{}{}:
	default:
		a.tally.Tell(slog.LevelWarn, "too many ZAP requests in progress: clients told to try later", "", "")
		reply, _ := answer(context.Background(), always(busy))
		a.send(reply)
		return
	}
	a.requests.Go(func() {
		defer func() { <-a.slots }()
		deciding, cancel := context.WithTimeout(ctx, a.patience)
		defer cancel()
		reply, err := answer(deciding, a.handler)
		if ctx.Err() != nil {
			// The reply may be a refusal only for lack of time. Without a reply, the
			// client tries again; after a refusal, it does not.
			return
		}
		a.tellFault(err)
		a.reply(reply)
	})
}

// takeAtOnce answers a request if the handler decides it at once. Otherwise, it returns a
// function that answers it later; see zap.AnswerAtOnce.
func (a *Authenticator) takeAtOnce(frames [][]byte) (later func(context.Context, zap.Handler) ([][]byte, error)) {
	returned := false
	a.atOnce.Add(1)
	defer func() {
		a.atOnce.Add(1)
		if !returned { // the handler ends this goroutine
			a.answer(frames, failed)
		}
	}()
	reply, later, err := zap.AnswerAtOnce(a.handler, "", frames)
	returned = true
	if later == nil {
		a.tellFault(err)
		a.send(reply)
	}
	return later
}

// tellFault logs why a request got a reply that is not the handler's, or none.
func (a *Authenticator) tellFault(err error) {
	if err == nil {
		return
	}
	level, message := slog.LevelError, "the ZAP handler failed"
	if errors.Is(err, zap.ErrRequest) {
		level, message = slog.LevelWarn, "malformed ZAP request"
	}
	cause, _, _ := strings.Cut(err.Error(), "\n") // without the stack of a panic
	a.tally.Tell(level, message, "", cause, slog.Any("err", err))
}

// reply passes a reply to serve for sending. It does nothing if there are no frames.
func (a *Authenticator) reply(frames [][]byte) {
	if frames == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replies = append(a.replies, frames)
	a.wakeUpLocked()
}

// sendReplies sends all replies, and then records that serve is asleep.
func (a *Authenticator) sendReplies() {
	for {
		a.mu.Lock()
		replies := a.replies
		a.replies = nil
		a.asleep = len(replies) == 0
		a.mu.Unlock()
		if len(replies) == 0 {
			return
		}
		for _, frames := range replies {
			a.send(frames)
		}
	}
}

// send sends one reply, or status 500 if the reply is too large. It does nothing if there
// are no frames. libzmq drops the reply if the socket that asked is gone.
func (a *Authenticator) send(frames [][]byte) {
	if frames == nil {
		return
	}
	err := a.messages.send(frames)
	if errors.Is(err, errTooLarge) {
		a.tally.Tell(slog.LevelError, "the ZAP handler failed", "", err.Error(), slog.Any("err", err))
		// A reply ends with the status, the text, the user id and the metadata.
		n := len(frames) - 4
		err = a.messages.send(append(frames[:n:n], []byte("500"), []byte(failed.Text), nil, nil))
	}
	if err != nil {
		a.tally.Tell(slog.LevelWarn, "sending a ZAP reply failed", "", err.Error(), slog.Any("err", err))
	}
}
