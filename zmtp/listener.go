package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// maxHandshakes bounds the handshakes that a Listener has under way at once,
// and with them the memory that peers who have proved nothing can take: some
// 16 KiB each. Beyond it new ones wait in the operating system's queue.
const maxHandshakes = 1024

// acceptPause is how long a Listener waits after the operating system couldn't
// give it a connection, for want of file descriptors for example.
const acceptPause = 50 * time.Millisecond

// Client makes a connection as client, over one that is there already, whoever
// dialled it. If that fails nc is closed; the error is ErrConfig or a
// *HandshakeError.
func Client(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	return overNet(ctx, nc, cfg, false)
}

// Server makes a connection as server: the peer has to satisfy cfg.Handler. If
// that fails nc is closed; the error is ErrConfig or a *HandshakeError. For
// CURVE it makes a new curve.Server each time; a Listener has one for all.
func Server(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	return overNet(ctx, nc, cfg, true)
}

func overNet(ctx context.Context, nc net.Conn, cfg Config, asServer bool) (*Conn, error) {
	checked, err := cfg.withDefaults(asServer)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if checked.server != nil {
		defer checked.server.Close()
	}
	warnOfPlain(checked, nc.RemoteAddr())
	return newConn(ctx, nc, checked, asServer)
}

// warnOfPlain warns of passwords that cross a network in clear.
func warnOfPlain(cfg *Config, peer net.Addr) {
	if cfg.Mechanism == zap.MechanismPlain && peer != nil && !IsLocal(endpointOf(peer)) {
		cfg.Log.Warn("PLAIN sends the password in clear over the network", "peer", peer)
	}
}

// Dial connects to an endpoint, tcp://HOST:PORT or ipc://PATH, as client. It
// checks cfg before it touches the network.
func Dial(ctx context.Context, endpoint string, cfg Config) (*Conn, error) {
	if err := cfg.CheckClient(); err != nil {
		return nil, err
	}
	nc, err := DialNet(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return Client(ctx, nc, cfg)
}

// Listener accepts connections as server. Handshakes run side by side, so that
// a slow peer keeps nobody waiting.
type Listener struct {
	nl     net.Listener
	cfg    atomic.Pointer[Config]
	cancel context.CancelFunc
	conns  chan *Conn
	done   chan struct{} // closed when all goroutines have ended

	mu      sync.Mutex
	servers []*curve.Server // all that the listener has had
}

// Listen listens on an endpoint, tcp://HOST:PORT or ipc://PATH, as server; see
// ListenNet for what HOST and PORT may be. Close the Listener when it is no
// longer needed.
func Listen(ctx context.Context, endpoint string, cfg Config) (*Listener, error) {
	checked, err := cfg.withDefaults(true)
	if err != nil {
		return nil, err
	}
	nl, err := ListenNet(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{nl: nl, cancel: cancel, conns: make(chan *Conn), done: make(chan struct{})}
	l.use(checked)
	go l.serve(ctx)
	return l, nil
}

// use makes a configuration that of the handshakes that begin from now on.
func (l *Listener) use(cfg *Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cfg.server != nil {
		l.servers = append(l.servers, cfg.server)
	}
	l.cfg.Store(cfg)
}

// SetKeys gives a CURVE server another key pair. Handshakes that begin from then on
// use it; those under way and the connections that are there stay as they are. The
// error is ErrConfig for keys that don't belong together, and for a listener of
// another mechanism; everything then stays as it was.
func (l *Listener) SetKeys(keys curve.KeyPair) error {
	cfg := *l.cfg.Load()
	if cfg.server == nil {
		return fmt.Errorf("%w: only a CURVE server has keys", ErrConfig)
	}
	cfg.Keys, cfg.server = keys, nil
	checked, err := cfg.withDefaults(true)
	if err != nil {
		return err
	}
	l.use(checked)
	return nil
}

// Endpoint is where the listener can be reached, with the real port.
func (l *Listener) Endpoint() string { return endpointOf(l.nl.Addr()) }

// Accept returns the next connection whose handshake has succeeded. Those that
// failed are in the log. The error is ctx's, or net.ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c, ok := <-l.conns:
		if !ok {
			return nil, fmt.Errorf("zmtp: listener on %s: %w", l.Endpoint(), net.ErrClosed)
		}
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops listening, ends the handshakes that are under way and waits for
// them. Connections that Accept has returned stay.
func (l *Listener) Close() error {
	l.cancel()
	err := l.nl.Close()
	<-l.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// serve accepts until ctx is done.
func (l *Listener) serve(ctx context.Context) {
	var background sync.WaitGroup
	if l.cfg.Load().server != nil {
		background.Go(func() { l.expireCookies(ctx) })
	}
	slots := make(chan struct{}, maxHandshakes)
	for ctx.Err() == nil {
		nc, err := l.nl.Accept()
		if err == nil {
			if err = checkDescriptors(nc); err != nil {
				nc.Close()
			}
		}
		if err != nil {
			if ctx.Err() == nil {
				l.cfg.Load().Log.Error("accepting a connection failed", "endpoint", l.Endpoint(), "err", err)
				sleep(ctx, acceptPause)
			}
			continue
		}
		select {
		case slots <- struct{}{}:
			background.Go(func() {
				l.handshake(ctx, nc)
				<-slots
			})
		case <-ctx.Done():
			nc.Close()
		}
	}
	background.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, server := range l.servers {
		server.Close()
	}
	close(l.conns)
	close(l.done)
}

// expireCookies wipes cookie keys that are over while nobody connects.
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

// handshake makes one connection and gives it to Accept.
func (l *Listener) handshake(ctx context.Context, nc net.Conn) {
	cfg := l.cfg.Load()
	warnOfPlain(cfg, nc.RemoteAddr())
	c, err := newConn(ctx, nc, cfg, true)
	if err != nil {
		if ctx.Err() == nil {
			l.logFailure(nc, err)
		}
		return
	}
	select {
	case l.conns <- c:
	case <-ctx.Done():
		c.Close()
	}
}

// logFailure tells the operator why a peer didn't get in.
func (l *Listener) logFailure(nc net.Conn, err error) {
	var denied *DeniedError
	if !errors.As(err, &denied) {
		var he *HandshakeError
		if errors.As(err, &he) {
			err = he.Err
		}
		l.cfg.Load().Log.Warn("handshake failed", "peer", peerName(nc), "endpoint", l.Endpoint(), "err", err)
		return
	}
	args := []any{"peer", peerName(nc), "endpoint", l.Endpoint(), "mechanism", l.cfg.Load().Mechanism,
		"status", int(denied.Reply.Status), "reason", denied.Reply.Text}
	if denied.Key != (curve.PublicKey{}) {
		args = append(args, "key", denied.Key)
	}
	if denied.Reply.Rule != "" {
		args = append(args, "rule", denied.Reply.Rule)
	}
	l.cfg.Load().Log.Warn("client denied", args...)
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
