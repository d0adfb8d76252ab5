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

// Endpoint is where libzmq looks for a ZAP handler (RFC 27, Architecture).
const Endpoint = "inproc://zeromq.zap.01"

// maxInFlight bounds the decisions under way at once. It is large, since a
// handler that asks a daemon which is away may take seconds. Beyond it the
// answer is 300, and the client tries again later.
const maxInFlight = 1024

// batch is how many requests are taken in before replies go out.
const batch = 64

// decisionTime bounds a decision. When it is over the answer is 300. It is as long as
// libzmq gives a client for its handshake, unless told otherwise (ZMQ_HANDSHAKE_IVL).
const decisionTime = 30 * time.Second

// stuckTime is how long a call of HandleAtOnce may go on after the end of the context
// before Wait gives it up, at least. It is at most twice that.
const stuckTime = 40 * time.Millisecond

// pause is how long an error that nobody knows holds up the next attempt.
const pause = 100 * time.Millisecond

// ErrInUse means that another ZAP handler is bound in the context.
var ErrInUse = errors.New("libzmq: another ZAP handler is bound in this context")

// Authenticator answers the ZAP requests of one libzmq context. It ends when
// the context that Start was given is done, or the libzmq context is
// terminated; nothing else ends it, and the log says when it has ended. CURVE servers in a
// domain then admit nobody.
//
// A decision has 30 s: if the handler hasn't returned then, the answer is 300, and the
// handler goes on alone. 1,024 decisions may be under way at once. Beyond that the
// answer is 300 as well, but what the handler decides at once is decided.
//
// Lines of the log that clients can cause are bounded: what repeats within a minute is
// counted, and from one address there are at most 20 lines a minute.
type Authenticator struct {
	handler  zap.Handler
	patience time.Duration // of a decision
	log      *slog.Logger
	tally    *tally.Log      // on log
	stopping <-chan struct{} // closed when it is to end
	atOnce   atomic.Uint64   // calls of HandleAtOnce that began, and that ended: odd within one
	router   *zmq4.Socket    // used by serve only
	messages *messenger      // of router
	woken    *zmq4.Socket    // used by serve only; readable when there is something else to do

	mu      sync.Mutex
	wake    *zmq4.Socket // the other end of woken
	asleep  bool         // serve waits for woken or router, or is about to
	replies [][][]byte   // on their way out

	requests sync.WaitGroup
	slots    chan struct{}
	done     chan struct{}
}

// Start binds inproc://zeromq.zap.01 in a libzmq context, nil for zmq4's
// default one, and lets handler decide about each request there. It returns
// when the endpoint is bound. The error is ErrInUse, or libzmq's. A nil log
// discards.
func Start(ctx context.Context, zctx *zmq4.Context, handler zap.Handler, log *slog.Logger) (*Authenticator, error) {
	return start(ctx, zctx, handler, log, decisionTime)
}

// start is Start with another patience for decisions.
func start(ctx context.Context, zctx *zmq4.Context, handler zap.Handler, log *slog.Logger, patience time.Duration) (*Authenticator, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &Authenticator{handler: handler, patience: patience, log: log, tally: tally.NewLog(log), stopping: ctx.Done(),
		asleep: true, slots: make(chan struct{}, maxInFlight), done: make(chan struct{})}
	if err := a.open(zctx); err != nil {
		cancel()
		a.closeSockets()
		return nil, err
	}
	stop := context.AfterFunc(ctx, a.wakeUp)
	go func() {
		defer close(a.done)
		for !a.serveOn(ctx) {
			a.tally.Tell(slog.LevelError, "the ZAP handler ended its goroutine: going on", "", "")
		}
		stop()
		cancel()
		a.router.Unbind(Endpoint) // at once, where closing does it in the background
		a.requests.Wait()
		a.closeSockets()
		a.tally.Close()
		a.log.Info("ZAP handler stopped: servers in a ZAP domain admit no more clients", "endpoint", Endpoint)
	}()
	return a, nil
}

// serveOn is serve in a goroutine of its own. It reports false if a handler has ended
// that, by runtime.Goexit in HandleAtOnce.
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

// Wait returns when the authenticator has ended and left nothing behind, but for
// handlers that go on although their context is done. It also leaves a HandleAtOnce that
// doesn't return, within 0.1 s after the end of the context; the endpoint then stays bound
// until that returns.
func (a *Authenticator) Wait() {
	select {
	case <-a.done:
		return
	case <-a.stopping:
	}
	for before := uint64(0); ; {
		select {
		case <-a.done:
			return
		case <-time.After(stuckTime):
		}
		now := a.atOnce.Load()
		if now == before && now%2 == 1 {
			a.log.Error("the ZAP handler does not return from HandleAtOnce: leaving it")
			return
		}
		before = now
	}
}

// wakeCount makes the endpoints of wake sockets differ.
var wakeCount atomic.Uint64

// open makes and binds the sockets.
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
			return fmt.Errorf("libzmq: making a socket failed: %w", err)
		}
		if err := (*s.sock).SetLinger(0); err != nil {
			return fmt.Errorf("libzmq: %w", err)
		}
	}
	if err := uninterrupted(func() (err error) { a.messages, err = newMessenger(a.router); return err }); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if err := uninterrupted(func() error { return a.router.Bind(Endpoint) }); err != nil {
		if zmq4.AsErrno(err) == zmq4.EADDRINUSE {
			return ErrInUse
		}
		return fmt.Errorf("libzmq: binding %s failed: %w", Endpoint, err)
	}
	endpoint := fmt.Sprintf("inproc://zcurve.zap.wake.%d", wakeCount.Add(1))
	if err := uninterrupted(func() error { return a.woken.Bind(endpoint) }); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if err := uninterrupted(func() error { return a.wake.Connect(endpoint) }); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	return nil
}

// uninterrupted calls f until no signal interrupts it. What libzmq says was
// interrupted has done nothing.
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

// wakeUp makes serve look around.
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

// serve moves requests and replies until ctx is done or libzmq's context is
// terminated.
func (a *Authenticator) serve(ctx context.Context) {
	poller := zmq4.NewPoller()
	poller.Add(a.router, zmq4.POLLIN)
	poller.Add(a.woken, zmq4.POLLIN)
	a.sendReplies() // those of an earlier call
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
		runtime.Gosched() // to decisions that need no time
		a.sendReplies()
	}
}

// takeAll takes the requests that are there, or as many of them as may go
// before replies.
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

// survives reports whether to go on after an error of libzmq. Only the end of
// its context is one.
func (a *Authenticator) survives(err error) bool {
	if zmq4.AsErrno(err) == zmq4.ETERM {
		return false
	}
	if !isInterrupted(err) {
		a.tally.Tell(slog.LevelError, "receiving ZAP requests failed: going on", "", err.Error(), slog.Any("err", err))
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

// Replies in a handler's place.
var (
	malformed = zap.Reply{Status: zap.StatusError, Text: "malformed request"}
	failed    = zap.Reply{Status: zap.StatusError, Text: "internal error"}
	busy      = zap.Reply{Status: zap.StatusTryLater, Text: "too many requests under way"}
)

// answer answers a request in the handler's place.
func (a *Authenticator) answer(frames [][]byte, with zap.Reply) {
	reply, _ := zap.Answer(context.Background(), always(with), "", frames)
	a.send(reply)
}

// always returns a handler with one reply for all.
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
		a.tally.Tell(slog.LevelWarn, "too many ZAP requests under way: clients are told to try later", "", "")
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
			// The reply may say no more than that there was no time. Without one
			// the client tries again; after a refusal it doesn't.
			return
		}
		a.tellFault(err)
		a.reply(reply)
	})
}

// takeAtOnce answers a request that the handler decides at once. It returns nil then,
// and otherwise what answers it later.
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

// tellFault tells why a request was answered in the handler's place, or not at all.
func (a *Authenticator) tellFault(err error) {
	if err == nil {
		return
	}
	level, message := slog.LevelError, "the ZAP handler failed"
	if errors.Is(err, zap.ErrRequest) {
		level, message = slog.LevelWarn, "malformed ZAP request"
	}
	cause, _, _ := strings.Cut(err.Error(), "\n") // not the stack of a panic
	a.tally.Tell(level, message, "", cause, slog.Any("err", err))
}

// reply puts a reply on its way. Without frames there is nobody to answer.
func (a *Authenticator) reply(frames [][]byte) {
	if frames == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replies = append(a.replies, frames)
	a.wakeUpLocked()
}

// sendReplies sends what has been decided, and goes to sleep when nothing is
// left.
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

// send sends one reply. Without frames there is nobody to answer; if the socket that
// asked is gone it goes nowhere. In the place of a reply that is too large goes one
// which says that the handler failed.
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
		a.tally.Tell(slog.LevelWarn, "a ZAP reply was not sent", "", err.Error(), slog.Any("err", err))
	}
}
