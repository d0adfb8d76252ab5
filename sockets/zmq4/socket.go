package zmq4

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/zcurve/zcurve/sockets"
)

// ErrNoRoute means that a ROUTER with WithMandatory has no peer with the identity.
var ErrNoRoute = errors.New("zmq4: no peer has this identity")

var (
	errNoFrames      = errors.New("zmq4: message without frames")
	errTooLarge      = errors.New("zmq4: message of more than 64 MiB or 4096 frames")
	errNoIdentity    = errors.New("zmq4: a message of a ROUTER begins with the identity of the peer, and has more frames")
	errNoConnections = errors.New("zmq4: no connections available")
	errCannotSend    = errors.New("zmq4: sockets of this type can't send messages")
	errCannotRecv    = errors.New("zmq4: sockets of this type can't receive messages")
	errSecond        = errors.New("zmq4: a PAIR has one peer, and this is another one")
	errTaken         = errors.New("zmq4: another peer has this identity")
)

// socket is a socket of any type.
type socket struct {
	typ     SocketType
	pattern pattern

	// Set by options, and not changed afterwards, but for the marks, which mu guards.
	id                       SocketIdentity
	security                 Security
	bundled                  []string // endpoints of WithBundle
	retry, dialTimeout       time.Duration
	timeout, linger          time.Duration
	firstPause, longestPause time.Duration
	heartbeat                time.Duration
	heartbeatTimeout         time.Duration
	maxRetries               int
	sendMark, recvMark       int
	keepsPeers, dialsLater   bool
	mandatory, handover      bool
	verbose, manual          bool
	correlate, conflate      bool
	fault                    error // of an option, for Dial and Listen
	log                      *log.Logger
	keys                     *keyLog // nil without a key log
	onEvent                  func(sockets.Event)
	events                   chan *sockets.Event

	logBegun time.Time      // the minute of logged, which belongs to the goroutine of events
	logged   map[string]int // lines in the log, for each endpoint

	ctx    context.Context // of the program
	life   context.Context // ends with ctx and when Close begins
	end    context.CancelFunc
	conns  context.Context // ends when Close ends the connections
	endAll context.CancelFunc
	stop   func() bool // forget ctx

	background sync.WaitGroup
	closed     chan struct{} // closed when Close has finished

	mu          sync.Mutex
	closing     bool
	pipes       []*pipe
	active      ring[*pipe] // with messages in in
	filling     *chunk
	work        chan *pipe // for goroutines that write
	idleWriters int        // that wait for work
	listeners   []io.Closer
	addr        net.Addr
	props       map[string]any
	losses      int // peers whose loss Recv must report
	receivers   int // that wait for message
	message     chan struct{}
	room        chan struct{} // closed when there may be room; nil if nobody waits
}

func newSocket(ctx context.Context, typ SocketType, opts []Option) *socket {
	if ctx == nil {
		ctx = context.Background()
	}
	s := &socket{
		typ: typ, ctx: ctx, retry: defaultRetry, timeout: defaultTimeout, linger: defaultLinger, maxRetries: defaultMaxRetries,
		firstPause: defaultFirst, longestPause: defaultLongest, sendMark: defaultMark, recvMark: defaultMark,
		log: log.New(os.Stderr, "zmq4: ", 0), props: map[string]any{}, closed: make(chan struct{}), message: make(chan struct{}, 1), work: make(chan *pipe),
	}
	for _, option := range opts {
		option(s)
	}
	if s.keys != nil && s.log != nil {
		s.log.Print("keys are logged: connections can be decrypted")
	}
	s.manual = s.manual && typ == XPub
	switch typ {
	case Push, Pull, Pub, Sub, Dealer:
	default:
		s.conflate = false
	}
	s.pattern = newPattern(s)
	s.life, s.end = context.WithCancel(ctx)
	s.conns, s.endAll = context.WithCancel(context.Background())
	s.startEvents()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = context.AfterFunc(ctx, func() { s.close(0) }) // at once, if ctx has ended
	return s
}

func (s *socket) Type() SocketType { return s.typ }

func (s *socket) subscribes() bool { return s.typ == Sub || s.typ == XSub }

// queueLocked copies a message into a pipe, behind an envelope if there is one.
func (s *socket) queueLocked(p *pipe, envelope, message [][]byte) {
	r := s.storeLocked(envelope, message)
	p.queueLocked(r)
	r.chunk.release()
}

// signalMessageLocked wakes a Recv, if one waits.
func (s *socket) signalMessageLocked() {
	if s.receivers == 0 {
		return
	}
	select {
	case s.message <- struct{}{}:
	default:
	}
}

// signalRoomLocked wakes all that wait in Send.
func (s *socket) signalRoomLocked() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

func (s *socket) Send(msg Msg) error {
	err := s.trySend(msg)
	if err != ErrAgain {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	return s.send(ctx, msg)
}

func (s *socket) SendMulti(msg Msg) error { return s.Send(msg) }

func (s *socket) trySend(msg Msg) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trySendLocked(msg)
}

func (s *socket) trySendLocked(msg Msg) error {
	if s.life.Err() != nil {
		return context.Canceled
	}
	if len(msg.Frames) == 0 {
		return errNoFrames
	}
	if s.isTooLarge(msg.Frames) {
		return errTooLarge
	}
	return s.pattern.send(msg)
}

// isTooLarge reports whether no socket of this package would receive the message. Its peer
// would end the connection, and the message would be sent again on the next one.
func (s *socket) isTooLarge(frames [][]byte) bool {
	n := len(frames)
	switch s.typ {
	case Router:
		n--
	case Req:
		n += 2 // the envelope
	}
	size := 0
	for _, frame := range frames {
		size += len(frame)
	}
	return n > maxConnFrames || size > maxConnMessage
}

// send waits until the message is queued.
func (s *socket) send(ctx context.Context, msg Msg) error {
	for {
		s.mu.Lock()
		err := s.trySendLocked(msg)
		if err != ErrAgain {
			s.mu.Unlock()
			return err
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return s.ended(ctx)
		case <-s.life.Done():
			return context.Canceled
		}
	}
}

// ended returns the error of a call whose context is done: context.Canceled if the reason is
// that the socket's is.
func (s *socket) ended(ctx context.Context) error {
	if s.ctx.Err() != nil {
		return context.Canceled
	}
	return ctx.Err()
}

func (s *socket) Recv() (Msg, error) { return s.recv(s.ctx) }

func (s *socket) recv(ctx context.Context) (Msg, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		msg, err := s.tryRecvLocked()
		if err != ErrAgain {
			return msg, err
		}
		s.receivers++
		s.mu.Unlock()
		err = nil
		select {
		case <-s.message:
		case <-ctx.Done():
			err = s.ended(ctx)
		case <-s.life.Done():
			err = context.Canceled
		}
		s.mu.Lock()
		s.receivers--
		if err != nil {
			return Msg{}, err
		}
	}
}

// tryRecv returns the next message, or ErrAgain.
func (s *socket) tryRecv() (Msg, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tryRecvLocked()
}

func (s *socket) tryRecvLocked() (Msg, error) {
	switch {
	case s.life.Err() != nil:
		return Msg{}, context.Canceled
	case s.typ == Push || s.typ == Pub:
		return Msg{}, errCannotRecv
	}
	for s.active.len() > 0 {
		p := *s.active.at(0)
		it := p.takeLocked()
		if p.in.len() == 0 {
			s.active.pop()
		} else if s.active.len() > 1 {
			s.active.push(s.active.pop())
		}
		if !s.pattern.received(p, it) {
			continue
		}
		if s.active.len() > 0 || s.losses > 0 {
			s.signalMessageLocked() // for another caller
		}
		return Msg{Frames: it.frames[it.envelope:], from: it.from}, nil
	}
	switch {
	case s.losses > 0:
		s.losses--
		s.signalMessageLocked() // another caller may get an error too
		return Msg{}, io.EOF
	case s.typ == Req && !s.dialsLater && !s.isConnectedLocked():
		s.signalMessageLocked()
		return Msg{}, errNoConnections
	}
	return Msg{}, ErrAgain
}

func (s *socket) isConnectedLocked() bool {
	for _, p := range s.pipes {
		if p.conn != nil {
			return true
		}
	}
	return false
}

// Addr returns the address of the last Listen, or nil.
func (s *socket) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

func (s *socket) GetOption(name string) (interface{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.props[name]
	if !ok {
		return nil, ErrBadProperty
	}
	return value, nil
}

func (s *socket) SetOption(name string, value interface{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name {
	case OptionSubscribe, OptionUnsubscribe:
		topic, ok := value.(string)
		subscriber, subscribes := s.pattern.(interface {
			set(subscribes bool, topic string)
		})
		if !ok || !subscribes || !s.manual && !s.subscribes() {
			return fmt.Errorf("%w: %s needs a SUB, XSUB or XPUB with WithManual, and a string", ErrBadProperty, name)
		}
		subscriber.set(name == OptionSubscribe, topic)
	case OptionHWM:
		mark, ok := value.(int)
		if !ok || mark < 0 {
			return fmt.Errorf("%w: HWM is an int, and not negative", ErrBadProperty)
		}
		s.sendMark, s.recvMark = mark, mark
		s.signalRoomLocked()
	default:
		if s.typ == Sub || s.typ == Pub {
			return ErrBadProperty
		}
	}
	s.props[name] = value
	return nil
}

func (s *socket) Close() error {
	s.close(s.linger)
	return nil
}

// close ends the socket and waits for its goroutines. Before that it sends what is queued,
// for as long as linger.
func (s *socket) close(linger time.Duration) {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		<-s.closed
		return
	}
	s.closing = true
	listeners, stop := s.listeners, s.stop
	s.mu.Unlock()
	stop()
	s.end()
	for _, l := range listeners {
		l.Close()
	}
	patience := context.Background()
	if linger >= 0 {
		var stop context.CancelFunc
		patience, stop = context.WithTimeout(patience, linger)
		defer stop()
	}
	s.drain(patience)
	s.closeConnections(patience)
	s.endAll()
	s.background.Wait()
	s.mu.Lock()
	for _, p := range s.pipes {
		p.dropLocked()
	}
	s.mu.Unlock()
	close(s.closed)
}

// drain waits until all messages for connected peers are written.
func (s *socket) drain(ctx context.Context) {
	for {
		s.mu.Lock()
		waits := false
		for _, p := range s.pipes {
			waits = waits || p.writing || p.out.len() > 0 && (p.conn != nil && !p.broken || p.dialed && s.keepsPeers)
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		if !waits {
			return
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

// closeConnections closes all connections in good order, or at once when ctx is done.
func (s *socket) closeConnections(ctx context.Context) {
	s.mu.Lock()
	var conns []link
	for _, p := range s.pipes {
		if p.conn != nil {
			conns = append(conns, p.conn)
		}
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			stop := context.AfterFunc(ctx, func() { c.CloseNow() })
			defer stop()
			c.Close()
		})
	}
	wg.Wait()
}
