package libzmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

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

// pause is how long an error that nobody knows holds up the next attempt.
const pause = 100 * time.Millisecond

// ErrInUse means that another ZAP handler is bound in the context.
var ErrInUse = errors.New("libzmq: another ZAP handler is bound in this context")

// Authenticator answers the ZAP requests of one libzmq context. It ends when
// the context that Start was given is done, or the libzmq context is
// terminated; nothing else ends it.
type Authenticator struct {
	handler  zap.Handler
	prompt   zap.PromptHandler // the handler, if it is one
	log      *slog.Logger
	router   *zmq4.Socket // used by serve only
	messages *messenger   // of router
	woken    *zmq4.Socket // used by serve only; readable when there is something else to do

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
// when the endpoint is bound. The error is ErrInUse, or libzmq's. A nil log is
// none.
func Start(ctx context.Context, zctx *zmq4.Context, handler zap.Handler, log *slog.Logger) (*Authenticator, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{handler: handler, log: log, asleep: true, slots: make(chan struct{}, maxInFlight), done: make(chan struct{})}
	a.prompt, _ = handler.(zap.PromptHandler)
	if err := a.open(zctx); err != nil {
		a.closeSockets()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, a.wakeUp)
	go func() {
		defer close(a.done)
		a.serve(ctx)
		stop()
		cancel()
		a.router.Unbind(Endpoint) // at once, where closing does it in the background
		a.requests.Wait()
		a.closeSockets()
	}()
	return a, nil
}

// Wait returns when the authenticator has ended and left nothing behind.
func (a *Authenticator) Wait() { <-a.done }

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
			env, _, answer, parseErr := zap.ParseRequest(frames)
			a.refuseMalformed(env, answer || parseErr == nil, err)
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
		a.log.Error("receiving ZAP requests failed: going on", "err", err)
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

// take starts the decision of one request.
func (a *Authenticator) take(ctx context.Context, frames [][]byte) {
	env, req, answer, err := zap.ParseRequest(frames)
	if err != nil {
		a.refuseMalformed(env, answer, err)
		return
	}
	if a.prompt != nil {
		if reply, ok := a.decideAtOnce(req); ok {
			a.sendReply(env, req, reply)
			return
		}
	}
	select {
	case a.slots <- struct{}{}:
	default:
		a.log.Warn("too many ZAP requests under way: client is told to try later", "request", req.String())
		a.reply(env, zap.Reply{Status: zap.StatusTryLater, Text: "too many requests under way"})
		return
	}
	a.requests.Go(func() {
		reply := a.decide(ctx, req)
		if ctx.Err() != nil {
			// The reply may say no more than that there was no time. Without one
			// the client tries again; after a refusal it doesn't.
			return
		}
		a.tellFault(req, a.reply(env, reply))
	})
}

// refuseMalformed answers a request that isn't one, if it can be answered.
func (a *Authenticator) refuseMalformed(env zap.Envelope, answer bool, err error) {
	a.log.Warn("malformed ZAP request", "err", err)
	if answer {
		a.reply(env, zap.Reply{Status: zap.StatusError, Text: "malformed request"})
	}
}

// decideAtOnce asks a handler that may have the answer at hand.
func (a *Authenticator) decideAtOnce(req *zap.Request) (reply zap.Reply, ok bool) {
	defer a.recovered(req, &reply)
	ok = true // also if it panics
	return a.prompt.HandleAtOnce(req)
}

// decide asks the handler, and gives the slot back.
func (a *Authenticator) decide(ctx context.Context, req *zap.Request) (reply zap.Reply) {
	defer func() { <-a.slots }()
	defer a.recovered(req, &reply)
	return a.handler.Handle(ctx, req)
}

// recovered makes an error of a panic. A handler that panics has failed on this
// request only.
func (a *Authenticator) recovered(req *zap.Request, reply *zap.Reply) {
	if p := recover(); p != nil {
		a.log.Error("the ZAP handler panicked", "request", req.String(), "panic", p, "stack", string(debug.Stack()))
		*reply = zap.Reply{Status: zap.StatusError, Text: "internal error"}
	}
}

// tellFault tells that a reply couldn't be sent as the handler gave it.
func (a *Authenticator) tellFault(req *zap.Request, err error) {
	if err != nil {
		a.log.Error("the ZAP handler's reply was sent as an error", "request", req.String(), "err", err)
	}
}

// sendReply sends a reply at once.
func (a *Authenticator) sendReply(env zap.Envelope, req *zap.Request, reply zap.Reply) {
	frames, err := zap.AppendReply(nil, env, reply)
	a.tellFault(req, err)
	a.send(frames)
}

// reply puts a reply on its way. The error is that of zap.AppendReply.
func (a *Authenticator) reply(env zap.Envelope, reply zap.Reply) error {
	frames, err := zap.AppendReply(nil, env, reply)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replies = append(a.replies, frames)
	a.wakeUpLocked()
	return err
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

// send sends one reply. If the socket that asked is gone it goes nowhere.
func (a *Authenticator) send(frames [][]byte) {
	if err := a.messages.send(frames); err != nil {
		a.log.Warn("a ZAP reply was not sent", "err", err)
	}
}
