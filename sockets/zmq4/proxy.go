package zmq4

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Proxy forwards messages between two sockets, in both directions. Safe for concurrent use.
type Proxy struct {
	life    context.Context // ends with the proxy
	end     context.CancelFunc
	workers sync.WaitGroup
	ended   chan struct{} // closed when no message is forwarded any more

	mu      sync.Mutex
	killed  bool
	paused  bool
	round   context.Context // ends with Pause
	stop    context.CancelFunc
	busy    int           // directions that do not wait for Resume
	changed chan struct{} // closed when paused or busy has changed
}

// proxyPause is the pause after an error of a socket, so that errors do not follow each other
// without end.
const proxyPause = 20 * time.Millisecond

// NewProxy forwards messages from front to back and from back to front, as far as their
// types can receive and send: between a PULL and a PUSH, a ROUTER and a DEALER, or an XSUB and
// an XPUB, whose subscriptions it forwards to the publishers. A copy of each message goes to
// capture, if it is not nil. A direction waits for a socket that can take no more. Call Listen
// and Dial on the sockets before. The proxy does not close them.
//
// Forwarding begins at once. It ends when ctx is done, with Kill, or when a socket is closed.
func NewProxy(ctx context.Context, front, back, capture Socket) *Proxy {
	if ctx == nil {
		ctx = context.Background()
	}
	p := &Proxy{ended: make(chan struct{}), changed: make(chan struct{})}
	p.life, p.end = context.WithCancel(ctx)
	p.round, p.stop = context.WithCancel(p.life)
	p.forward(front, back, capture)
	p.forward(back, front, capture)
	go func() {
		<-p.life.Done()
		p.workers.Wait()
		close(p.ended)
	}()
	return p
}

// Run waits for the end of the proxy. It returns nil after Kill, context.Canceled if a
// socket was closed, and otherwise the error of the context.
func (p *Proxy) Run() error {
	<-p.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return nil
	}
	return p.life.Err()
}

// Kill ends the proxy. A message that it has received may be lost.
func (p *Proxy) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = p.killed || p.life.Err() == nil
	p.end()
}

// Pause stops forwarding until Resume is called. Messages wait in the sockets. When Pause
// returns, nothing is being forwarded between sockets of this package.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.stop()
	for p.paused && p.busy > 0 {
		p.waitLocked(context.Background())
	}
}

// Resume ends a Pause.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		p.paused = false
		p.round, p.stop = context.WithCancel(p.life)
		p.changeLocked()
	}
}

// Stats does nothing, as in go-zeromq. It exists for programs that call it.
func (*Proxy) Stats() {}

func (p *Proxy) changeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// waitLocked waits for a change. It releases p.mu meanwhile.
func (p *Proxy) waitLocked(ctx context.Context) {
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

// forward starts one direction, if messages can be received there.
func (p *Proxy) forward(from, to, capture Socket) {
	if from == nil || from.Type() == Push || from.Type() == Pub {
		return
	}
	var targets []proxied
	if to != nil && to.Type() != Pull && to.Type() != Sub {
		targets = append(targets, proxiedOf(to))
	}
	if capture != nil {
		targets = append(targets, proxiedOf(capture))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy++
	ctx := p.round
	p.workers.Go(func() {
		p.run(ctx, proxiedOf(from), targets)
		p.end()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		p.changeLocked()
	})
}

// run forwards until the proxy ends or a socket is closed.
func (p *Proxy) run(ctx context.Context, from proxied, targets []proxied) {
	for {
		var msg Msg
		var err error
		ctx, err = p.unpaused(ctx, func(ctx context.Context) error {
			var err error
			msg, err = from.recv(ctx)
			return err
		})
		switch {
		case errors.Is(err, context.Canceled):
			return
		case err != nil || len(msg.Frames) == 0:
			pause(ctx, proxyPause)
			continue
		}
		for _, to := range targets {
			ctx, err = p.unpaused(ctx, func(ctx context.Context) error { return to.send(ctx, msg) })
			if errors.Is(err, context.Canceled) {
				return
			}
		}
	}
}

// unpaused calls f with ctx while the proxy is not paused, and calls it again after a pause. It
// returns the current context and the error of f, or that of the end of the proxy.
func (p *Proxy) unpaused(ctx context.Context, f func(context.Context) error) (context.Context, error) {
	for {
		if ctx.Err() == nil {
			if err := f(ctx); err == nil || ctx.Err() == nil {
				return ctx, err
			}
		}
		p.mu.Lock()
		p.busy--
		p.changeLocked()
		for p.paused && p.life.Err() == nil {
			p.waitLocked(p.life)
		}
		p.busy++
		ctx = p.round
		p.mu.Unlock()
		if p.life.Err() != nil {
			return ctx, context.Canceled
		}
	}
}

// proxied is a socket of a proxy. A call of send that ends with ctx is made again with the same
// message.
type proxied interface {
	send(ctx context.Context, msg Msg) error
	recv(ctx context.Context) (Msg, error)
}

func proxiedOf(s Socket) proxied {
	if ours, ok := s.(proxied); ok {
		return ours
	}
	return &wrapped{Socket: s}
}

// wrapped is a socket of a program, whose methods take no context. Its goroutines end when they
// do, or when the socket is closed.
type wrapped struct {
	Socket
	received chan Msg   // nil if no Recv is in progress
	sent     chan error // nil if no Send is in progress
}

func (w *wrapped) recv(ctx context.Context) (Msg, error) {
	if w.received == nil {
		received := make(chan Msg, 1)
		go func() {
			msg, err := w.Recv()
			msg.err = err
			received <- msg
		}()
		w.received = received
	}
	select {
	case msg := <-w.received:
		w.received = nil
		return msg, msg.err
	case <-ctx.Done():
		return Msg{}, ctx.Err()
	}
}

func (w *wrapped) send(ctx context.Context, msg Msg) error {
	if w.sent == nil {
		sent := make(chan error, 1)
		go func() { sent <- w.Send(msg) }()
		w.sent = sent
	}
	select {
	case err := <-w.sent:
		w.sent = nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
