package zmtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/leave"
	"github.com/zcurve/zcurve/internal/tally"
)

// acceptPause is how long a Listener waits after the operating system failed to accept a
// connection, for example because there were no file descriptors.
const acceptPause = 50 * time.Millisecond

// Listener accepts connections as server, or as client if it is one of [NewClientListener].
// Handshakes run in parallel, so a slow peer delays nobody, and a Listener never stops
// accepting:
//
//   - At most 1,024 peers have proved nothing yet. Beyond that, and when the process is
//     short of file descriptors, each new connection ends an old one. It belongs to the
//     network that has the most, and is the one that has been silent the longest, or, if
//     most of them have sent their first command, the oldest of those. Each peer has a sixth
//     of Config.HandshakeTimeout, but at least 5 seconds, for its greeting and first command.
//   - The handler decides about at most 4,096 peers at a time. Beyond that a client gets
//     StatusTryLater, unless the handler is a zap.PromptHandler and decides at once.
//   - At most 4,096 connections wait for Accept. Beyond that, a connection that still has a
//     place among those of the handler keeps it, and any other is closed.
//
// A Listener logs each cause once a minute for each address, and then a count. It logs a
// connection that was closed without a single byte, such as that of a health check, at
// DEBUG. Safe for concurrent use. The zero Listener is closed.
type Listener struct {
	nl       net.Listener
	cfg      atomic.Pointer[Config]
	cancel   context.CancelFunc
	closing  <-chan struct{} // closed by Close
	asServer bool            // otherwise the peers are the servers
	conns    chan *Conn
	done     chan struct{} // closed when all goroutines have ended
	places   *places
	log      *tally.Log

	mu      sync.Mutex
	servers []*curve.Server // all that the listener has had
}

// Listen listens on an endpoint as server: tcp://HOST:PORT, where HOST and PORT may be "*"
// (any address, any free port), or ipc://PATH. It replaces the file of an ipc endpoint on
// which nobody listens any more. The new file has mode 0600; to let other users connect,
// change it afterwards. ctx bounds Listen only. The caller must close the Listener.
func Listen(ctx context.Context, endpoint string, cfg Config) (*Listener, error) {
	checked, err := cfg.withDefaults(true)
	if err != nil {
		return nil, err
	}
	nl, err := listenNet(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return newListener(nl, checked, true), nil
}

func listenNet(ctx context.Context, at string) (net.Listener, error) {
	if err := endpoint.Check(at); err != nil {
		return nil, invalidEndpoint(err)
	}
	nl, err := endpoint.Listen(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("zmtp: %w", err)
	}
	return nl, nil
}

// NewListener returns a Listener that accepts its connections from nl, such as one of
// crypto/tls or a socket that systemd has passed. If cfg is invalid it leaves nl open;
// otherwise the Listener owns nl and closes it.
func NewListener(nl net.Listener, cfg Config) (*Listener, error) {
	checked, err := cfg.withDefaults(true)
	if err != nil {
		return nil, err
	}
	return newListener(nl, checked, true), nil
}

// NewClientListener is like NewListener, but this side is the client in every handshake: the
// peers that connect are servers. A SUB that listens for publishers can prove with CURVE that
// each of them has the key cfg.ServerKey. A PLAIN client sends its password to everyone who
// connects.
//
// A peer has proved nothing until its READY (NULL) or WELCOME, so its decision has to fit in
// the time for its greeting and first command.
func NewClientListener(nl net.Listener, cfg Config) (*Listener, error) {
	checked, err := cfg.withDefaults(false)
	if err != nil {
		return nil, err
	}
	return newListener(nl, checked, false), nil
}

func newListener(nl net.Listener, cfg *Config, asServer bool) *Listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{nl: nl, cancel: cancel, closing: ctx.Done(), asServer: asServer, conns: make(chan *Conn), done: make(chan struct{}),
		places: newPlaces(), log: tally.NewLog(cfg.Log)}
	l.use(cfg)
	cfg.keys.warn()
	go l.serve(ctx)
	return l
}

// use sets the configuration of all handshakes that begin from now on.
func (l *Listener) use(cfg *Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cfg.server != nil {
		l.servers = append(l.servers, cfg.server)
	}
	l.cfg.Store(cfg)
}

// SetKey replaces the secret key of a CURVE server. Handshakes that begin from then on
// use it; handshakes in progress and existing connections keep the old one. If key is
// zero, or the listener has another mechanism, SetKey returns an error and changes nothing.
func (l *Listener) SetKey(key curve.SecretKey) error {
	if l.isZero() {
		return l.closedError()
	}
	cfg := *l.cfg.Load()
	if cfg.server == nil {
		return fmt.Errorf("%w: only a CURVE server has a key", errConfig)
	}
	cfg.Key, cfg.server = key, nil
	checked, err := cfg.withDefaults(true)
	if err != nil {
		return err
	}
	l.use(checked)
	return nil
}

// Endpoint returns the endpoint to connect to, with the actual port.
func (l *Listener) Endpoint() string {
	if l.isZero() {
		return ""
	}
	return endpoint.Of(l.nl.Addr())
}

// isZero reports whether l is the zero Listener, which does not listen.
func (l *Listener) isZero() bool { return l.nl == nil }

// closedError returns the error of calls after Close.
func (l *Listener) closedError() error {
	if l.isZero() {
		return fmt.Errorf("zmtp: not listening: %w", net.ErrClosed)
	}
	return fmt.Errorf("zmtp: listener on %s: %w", l.Endpoint(), net.ErrClosed)
}

// Accept returns the next connection whose handshake has succeeded. Failed handshakes are
// logged. The error is ctx's, or net.ErrClosed after Close.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	if l.isZero() {
		return nil, l.closedError()
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closing:
		return nil, l.closedError()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops listening, ends the handshakes in progress and waits for them. Connections
// that Accept has returned stay open. Close does not wait for a handler that ignores its
// context. It may be called more than once.
func (l *Listener) Close() error {
	if l.isZero() {
		return nil
	}
	l.cancel()
	err := l.nl.Close()
	l.wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// wait waits until all goroutines have ended, except those whose HandleAtOnce does not
// return.
func (l *Listener) wait() {
	if !leave.Wait(l.done, func() bool { return l.places.asking.Load() > 0 }) {
		l.log.Tell(slog.LevelError, "the handler does not return from HandleAtOnce: leaving it", "", "",
			slog.String("endpoint", l.Endpoint()))
	}
}

// serve accepts until ctx is done.
func (l *Listener) serve(ctx context.Context) {
	var background sync.WaitGroup
	if l.cfg.Load().server != nil {
		background.Go(func() { l.expireCookies(ctx) })
	}
	for ctx.Err() == nil {
		nc, err := l.nl.Accept()
		few := err != nil
		if err == nil {
			if few, err = checkDescriptors(nc); err != nil {
				nc.Close()
			}
		}
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			break
		}
		dropped := few && l.places.dropSome()
		if err != nil {
			l.log.Tell(slog.LevelError, "accepting a connection failed", "", err.Error(),
				slog.String("endpoint", l.Endpoint()), slog.Any("err", err))
			if !dropped {
				sleep(ctx, acceptPause)
			}
			continue
		}
		ctx, end := context.WithCancelCause(ctx)
		place := l.places.enter(nc, end)
		background.Go(func() {
			defer end(nil)
			defer place.leave()
			l.handshake(ctx, nc, place)
		})
	}
	background.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, server := range l.servers {
		server.Close()
	}
	l.log.Close()
	close(l.done)
}

// expireCookies wipes expired cookie keys, also while no client connects.
func (l *Listener) expireCookies(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.mu.Lock()
			for _, server := range l.servers {
				server.Expire()
			}
			l.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// handshake shakes hands on one connection and passes it to Accept.
func (l *Listener) handshake(ctx context.Context, nc net.Conn, place *place) {
	h := newHandshake(nc, l.cfg.Load(), l.asServer)
	h.place, h.log = place, l.log
	h.warnOfPlain()
	c, err := h.connect(ctx)
	if err != nil {
		if errors.Is(err, context.Canceled) { // by Close
			return
		}
		l.tellFailure(h, err)
		if h.cfg.Failed != nil {
			h.cfg.Failed(nc.RemoteAddr(), handshakeError(nc, err))
		}
		return
	}
	if !place.wait() {
		c.CloseNow()
		if ctx.Err() != nil {
			return // dropped in the meantime
		}
		h.tell(slog.LevelWarn, "connection closed: too many wait for Accept", "", slog.String("endpoint", l.Endpoint()))
		return
	}
	select {
	case l.conns <- c:
	case <-ctx.Done():
		c.CloseNow()
	}
}

// tellFailure logs why a peer was not admitted.
func (l *Listener) tellFailure(h *handshake, err error) {
	at := slog.String("endpoint", l.Endpoint())
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.atServer {
		attrs := append([]slog.Attr{at, slog.String("mechanism", h.cfg.Mechanism)}, refused.attrs()...)
		h.tell(slog.LevelWarn, "client refused", refused.Error(), attrs...)
		return
	}
	switch {
	case errors.Is(err, errNoGreeting):
		h.tell(slog.LevelDebug, "connection closed without a byte", "", at)
	case errors.Is(err, errDropped):
		h.tell(slog.LevelWarn, "handshake failed", errDropped.Error(), at, slog.Any("err", errDropped))
	case errors.Is(err, context.DeadlineExceeded): // the text has the time that it took
		h.tell(slog.LevelWarn, "handshake failed", "timeout", at, slog.Any("err", err))
	default:
		h.tell(slog.LevelWarn, "handshake failed", err.Error(), at, slog.Any("err", err))
	}
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
