package zmq4

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4/internal/native"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// Pauses between attempts to connect again.
const (
	defaultFirst   = 10 * time.Millisecond
	defaultLongest = 100 * time.Millisecond
	// hopeless is the pause after an error that only a person can remove the cause of. RFC 26 forbids to
	// try again after status 400, but anyone on the path can send one.
	hopeless = 5 * time.Second
)

func (s *socket) Dial(endpoint string) error {
	if s.fault != nil {
		return s.fault
	}
	if endpoint == "" && len(s.bundled) > 0 {
		var errs []error
		for _, at := range s.bundled {
			errs = append(errs, s.Dial(at))
		}
		return errors.Join(errs...)
	}
	target, err := parseTarget(endpoint)
	if err != nil {
		return err
	}
	check := zmtp.Config.CheckClient
	if s.isServer(false) {
		check = zmtp.Config.CheckServer
	}
	if err := check(s.config()); err != nil {
		return fmt.Errorf("zmq4: could not dial to %q: %w", endpoint, err)
	}
	p := &pipe{socket: s, endpoint: endpoint, dialed: true}
	if s.dialsLater {
		if err := s.add(p); err != nil {
			return err
		}
		return s.start(func() { s.keep(p, target, nil) })
	}
	var c link
	for tries := 0; ; tries++ {
		if c, err = s.connect(s.life, target); err == nil {
			break
		}
		var failed *dialError
		if !errors.As(err, &failed) {
			return &openError{err}
		}
		if s.maxRetries >= 0 && tries >= s.maxRetries || s.life.Err() != nil {
			return fmt.Errorf("zmq4: could not dial to %q (retry=%v): %w", endpoint, s.retry, failed.error)
		}
		pause(s.life, s.retry)
	}
	if err := s.attach(p, c); err != nil {
		c.CloseNow()
		return err
	}
	if err := s.start(func() { s.keep(p, target, c) }); err != nil {
		s.remove(p)
		c.CloseNow()
		return err
	}
	return nil
}

// start starts a goroutine of the socket, unless it is closing.
func (s *socket) start(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return context.Canceled
	}
	s.background.Go(f)
	return nil
}

// dialError means that the transport could not connect.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// openError means that the handshake failed. Its text has go-zeromq's beginning, and the name
// of one package.
type openError struct{ error }

func (e *openError) Error() string {
	return "zmq4: could not open a ZMTP connection: " + strings.TrimPrefix(e.error.Error(), "zmtp: ")
}

func (e *openError) Unwrap() error { return e.error }

// connect makes one attempt.
func (s *socket) connect(ctx context.Context, to target) (link, error) {
	if s.dialTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.dialTimeout)
		defer cancel()
	}
	nc, err := to.transport.Dial(ctx, &net.Dialer{}, to.addr)
	if err != nil {
		return nil, &dialError{err}
	}
	switch {
	case s.isForeign():
		return s.openForeign(ctx, nc, false)
	case s.isServer(false):
		return opened(zmtp.Server(ctx, nc, s.config()))
	}
	return opened(zmtp.Client(ctx, nc, s.config()))
}

// opened gives an error of the handshake the text that go-zeromq's has.
func opened(c *zmtp.Conn, err error) (link, error) {
	var types *zmtp.SocketTypeError
	if errors.As(err, &types) {
		return nil, fmt.Errorf("zmq4: could not initialize ZMTP connection: %w", &typeError{types})
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// typeError has the text that go-zeromq's has.
type typeError struct{ *zmtp.SocketTypeError }

func (e *typeError) Error() string {
	return fmt.Sprintf("zmq4: peer=%q not compatible with %q", e.Theirs, e.Ours)
}

func (e *typeError) Unwrap() error { return e.SocketTypeError }

// keep runs the connections to a peer that was dialed, until the socket is closed. c is the
// first, which is attached, or nil.
func (s *socket) keep(p *pipe, to target, c link) {
	defer s.remove(p)
	begun := time.Now() // the connection
	wrongKey := false   // the last attempt has failed because of it
	for failures := 0; ; failures++ {
		var err error
		kind := sockets.Lost
		if c != nil {
			err = p.read(s.conns, c)
			s.detach(p)
			s.reportLoss()
			c.CloseNow()
			if time.Since(begun) > s.longestPause { // or the peer closes each connection at once
				failures = 0
			}
		} else if c, err = s.connect(s.dialing(), to); err == nil {
			if err = s.attach(p, c); err == nil {
				begun = time.Now()
				continue
			}
			c.CloseNow()
		} else {
			kind = sockets.Failed
		}
		c = nil
		wait := s.nextPause(failures, err)
		wasWrong := wrongKey
		if wrongKey = errors.Is(err, zmtp.ErrServerKey); wrongKey && !wasWrong {
			wait = s.nextPause(failures, io.EOF) // a server that is killed looks the same
		}
		if s.dialing().Err() != nil {
			return
		}
		s.tell(sockets.Event{Kind: kind, Endpoint: p.endpoint, Err: err, Retry: wait})
		if !pause(s.dialing(), wait) {
			return
		}
	}
}

// dialing is the context of attempts: while Close sends what is queued, attempts go on.
func (s *socket) dialing() context.Context {
	if s.keepsPeers {
		return s.conns
	}
	return s.life
}

// nextPause returns the pause after so many failures, with jitter.
func (s *socket) nextPause(failures int, err error) time.Duration {
	if !zmtp.Retryable(err) && (!errors.Is(err, io.EOF) || errors.Is(err, zmtp.ErrServerKey)) {
		if _, isDial := errors.AsType[*dialError](err); !isDial {
			return hopeless + rand.N(hopeless/2)
		}
	}
	wait := s.firstPause
	for range failures {
		if wait >= s.longestPause/2 {
			wait = s.longestPause
			break
		}
		wait *= 2
	}
	wait = min(wait, s.longestPause)
	return wait/2 + rand.N(wait/2+1)
}

// pause waits, and reports whether ctx is not done.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reportLoss makes Recv return an error, where a program expects one.
func (s *socket) reportLoss() {
	switch s.typ {
	case Sub, XSub, Pull, Dealer, Pair:
		if s.keepsPeers {
			return
		}
	default: // a REQ tells of lost replies
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.losses++
	s.signalMessageLocked()
}

// add adds a pipe to the socket, unless it is closing or a PAIR that has one.
func (s *socket) add(p *pipe) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return context.Canceled
	case s.typ == Pair && len(s.pipes) > 0:
		return errSecond
	}
	s.addLocked(p)
	s.signalRoomLocked()
	return nil
}

func (s *socket) addLocked(p *pipe) {
	if !p.added {
		p.added = true
		s.pipes = append(s.pipes, p)
	}
}

func (s *socket) remove(p *pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipes = slices.DeleteFunc(s.pipes, func(other *pipe) bool { return other == p })
	p.dropLocked()
	s.signalRoomLocked()
}

// attach gives a pipe a new connection, and adds it to the socket. A pipe that is refused was
// never there for Send to choose.
func (s *socket) attach(p *pipe, c link) error {
	user := c.User()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns.Err() != nil || s.closing && !p.added {
		return context.Canceled
	}
	former, from, theirs := p.former, p.from, p.theirs
	p.conn, p.broken, p.former, p.from, p.theirs = c, false, p.from, nil, SocketType(c.Claims().Get("Socket-Type"))
	if user.ID != "" || len(user.Metadata) > 0 || user.Key != (zmtp.User{}).Key {
		p.from = &user
	}
	if err := s.pattern.attached(p); err != nil {
		p.conn, p.former, p.from, p.theirs = nil, former, from, theirs
		return err
	}
	s.addLocked(p)
	p.startLocked()
	s.signalRoomLocked()
	s.tell(sockets.Event{Kind: sockets.Ready, Endpoint: p.endpoint, Peer: p.peer, User: user})
	return nil
}

func (s *socket) detach(p *pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.conn = nil
	s.pattern.detached(p)
	s.signalRoomLocked()
}

// config returns the configuration of connections.
func (s *socket) config() zmtp.Config {
	cfg := zmtp.Config{
		SocketType: string(s.typ), Mechanism: zap.Null, HeartbeatInterval: s.heartbeat, HeartbeatTimeout: s.heartbeatTimeout,
	}
	if s.typ == Req || s.typ == Dealer || s.typ == Router {
		cfg.RoutingID = s.id
	}
	if ours, ok := s.security.(native.Mechanism); ok {
		ours.Native(&cfg)
	}
	if s.keys != nil {
		cfg.InsecureKeyLog = s.keys
	}
	return cfg
}

// isServer reports whether this side is the server of the security mechanism.
func (s *socket) isServer(listens bool) bool {
	if ours, ok := s.security.(native.Mechanism); ok {
		if role := ours.Native(new(zmtp.Config)); role != native.Listens {
			return role == native.Server
		}
	}
	return listens
}

// isForeign reports whether the security mechanism is one of another package.
func (s *socket) isForeign() bool {
	_, ours := s.security.(native.Mechanism)
	return s.security != nil && !ours
}
