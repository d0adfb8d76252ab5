package libzmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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
// when the endpoint is bound. The error is ErrInUse, or libzmq's. A nil log
// discards.
func Start(ctx context.Context, zctx *zmq4.Context, handler zap.Handler, log *slog.Logger) (*Authenticator, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{handler: handler, log: log, asleep: true, slots: make(chan struct{}, maxInFlight), done: make(chan struct{})}
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

// Wait returns when the authenticator has ended and left nothing behind, unless it
// be a handler that goes on although its context is done.
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
			reply, _ := zap.Answer(context.Background(), tooLarge, "", frames)
			a.log.Warn("malformed ZAP request", "err", err)
			a.send(reply)
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

// tooLarge answers requests that are larger than any, and are known in part only.
var tooLarge = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
	return zap.Reply{Status: zap.StatusError, Text: "malformed request"}
})

// busy answers where too many requests are under way.
func (a *Authenticator) busy(_ context.Context, req *zap.Request) zap.Reply {
	a.log.Warn("too many ZAP requests under way: client is told to try later", "request", req.String())
	return zap.Reply{Status: zap.StatusTryLater, Text: "too many requests under way"}
}

// take answers one request, or starts its decision.
func (a *Authenticator) take(ctx context.Context, frames [][]byte) {
	reply, ok, err := zap.AnswerAtOnce(a.handler, "", frames)
	if ok {
		a.tellFault(err)
		a.send(reply)
		return
	}
	select {
	case a.slots <- struct{}{}:
	default:
		reply, err := zap.Answer(context.Background(), zap.HandlerFunc(a.busy), "", frames)
		a.tellFault(err)
		a.send(reply)
		return
	}
	a.requests.Go(func() {
		defer func() { <-a.slots }()
		reply, err := zap.Answer(ctx, a.handler, "", frames)
		if ctx.Err() != nil {
			// The reply may say no more than that there was no time. Without one
			// the client tries again; after a refusal it doesn't.
			return
		}
		a.tellFault(err)
		a.reply(reply)
	})
}

// tellFault tells why a request was answered in the handler's place, or not at all.
func (a *Authenticator) tellFault(err error) {
	if errors.Is(err, zap.ErrRequest) {
		a.log.Warn("malformed ZAP request", "err", err)
	} else if err != nil {
		a.log.Error("the ZAP handler failed", "err", err)
	}
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
// asked is gone it goes nowhere.
func (a *Authenticator) send(frames [][]byte) {
	if frames == nil {
		return
	}
	if err := a.messages.send(frames); err != nil {
		a.log.Warn("a ZAP reply was not sent", "err", err)
	}
}
