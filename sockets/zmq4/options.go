package zmq4

import (
	"fmt"
	"log"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/sockets"
)

// Option configures a socket when it is made.
type Option func(s *socket)

// Defaults of the options.
const (
	defaultMark       = 1000
	defaultTimeout    = 5 * time.Minute
	defaultRetry      = 250 * time.Millisecond
	defaultMaxRetries = 10
	defaultLinger     = time.Second
)

// WithID sets the routing id of a REQ, DEALER or ROUTER, at most 255 bytes, not beginning
// with a zero byte. Other types have none.
func WithID(id SocketIdentity) Option { return func(s *socket) { s.id = append(s.id[:0:0], id...) } }

// WithSecurity sets the security mechanism. nil means NULL, which is the default.
func WithSecurity(sec Security) Option { return func(s *socket) { s.security = sec } }

// WithDialerRetry sets the pause between the attempts of Dial, and the longest pause before
// a lost connection is tried again. The default is 250 ms for Dial, and 100 ms for lost
// connections. Zero makes Dial try again without a pause, but not lost connections.
func WithDialerRetry(retry time.Duration) Option {
	return func(s *socket) { s.retry, s.longestPause = retry, orDefault(retry, defaultLongest) }
}

// orDefault returns a time, or its default if it is not positive.
func orDefault(d, byDefault time.Duration) time.Duration {
	if d <= 0 {
		return byDefault
	}
	return d
}

// WithDialerTimeout bounds the time of one attempt to connect, including the handshake. The
// default is 5 minutes for connecting, and 30 seconds for the handshake.
func WithDialerTimeout(timeout time.Duration) Option {
	return func(s *socket) { s.dialTimeout = timeout }
}

// WithDialerMaxRetries sets how often Dial tries again before it returns an error; -1 means
// until it succeeds. The default is 10.
func WithDialerMaxRetries(maxRetries int) Option {
	return func(s *socket) { s.maxRetries = maxRetries }
}

// WithTimeout bounds the time that Send waits. The default is 5 minutes. When it is over,
// Send returns context.DeadlineExceeded, and the message will not be sent.
func WithTimeout(timeout time.Duration) Option { return func(s *socket) { s.timeout = timeout } }

// WithLogger sets where the socket reports failed attempts to connect. The default is
// standard error. nil reports nothing. The log has at most ten lines a minute for each endpoint.
func WithLogger(msg *log.Logger) Option { return func(s *socket) { s.log = msg } }

// WithAutomaticReconnect sets whether losing a peer is no error for Recv. The socket
// connects again in any case.
func WithAutomaticReconnect(automaticReconnect bool) Option {
	return func(s *socket) { s.keepsPeers = automaticReconnect }
}

// WithReconnect makes Dial return at once, and the socket connect as soon as the peer is
// there, like a socket of libzmq: what Send accepts waits for the peer. Losing a peer is no
// error for Recv, except on a REQ, whose reply is lost. first and longest bound the pauses
// between attempts, which grow; zero means 10 and 100 ms. longest is at least first.
func WithReconnect(first, longest time.Duration) Option {
	return func(s *socket) {
		s.keepsPeers, s.dialsLater = true, true
		s.firstPause = orDefault(first, defaultFirst)
		s.longestPause = max(orDefault(longest, defaultLongest), s.firstPause)
	}
}

// WithLinger sets how long Close sends what is queued; a negative time means until all is
// sent. The default is one second.
func WithLinger(linger time.Duration) Option { return func(s *socket) { s.linger = linger } }

// WithHighWaterMarks sets how many messages may wait to be sent to a peer, and how many that
// it has sent may wait for Recv. Zero means no limit. The defaults are 1,000.
func WithHighWaterMarks(send, recv int) Option {
	return func(s *socket) { s.sendMark, s.recvMark = max(send, 0), max(recv, 0) }
}

// WithHeartbeat sends a heartbeat each interval, and ends the connection with a peer that
// doesn't answer within timeout. If timeout is zero, it is the interval. By default, a socket
// sends no heartbeats. It has no effect with a Security of another package.
func WithHeartbeat(interval, timeout time.Duration) Option {
	return func(s *socket) { s.heartbeat, s.heartbeatTimeout = interval, timeout }
}

// WithEvents calls f, from one goroutine, when a peer is connected or lost, or an attempt
// fails. f must not call Close, which waits for it. If f is so slow that 1,024 events wait,
// further ones are lost.
func WithEvents(f func(sockets.Event)) Option { return func(s *socket) { s.onEvent = f } }

// WithMandatory makes Send on a ROUTER return ErrNoRoute for an identity without a peer, and
// wait for a peer whose queue is full. Without it, such messages are dropped.
func WithMandatory() Option { return func(s *socket) { s.mandatory = true } }

// WithHandover lets a new peer of a ROUTER take the routing id of another, whose connection
// is then closed. Without it, the new peer is refused, unless both have proved the same key.
// Where peers prove who they are, only the same user can take an id.
func WithHandover() Option { return func(s *socket) { s.handover = true } }

// WithVerbose makes an XPUB receive each subscription, not just the first to a topic.
func WithVerbose() Option { return func(s *socket) { s.verbose = true } }

// WithManual lets the program decide on the subscriptions at an XPUB: Recv returns each one,
// and SetOption with OptionSubscribe or OptionUnsubscribe changes those of the peer whose
// message Recv has returned last.
func WithManual() Option { return func(s *socket) { s.manual = true } }

// WithCorrelate makes a REQ return only the reply to its last request. Requests have a
// number, which a REP sends back. Without it, a REQ returns the replies to all requests.
func WithCorrelate() Option { return func(s *socket) { s.correlate = true } }

// WithConflate keeps the last message only, in place of queues: to each peer of a PUSH, PUB
// or DEALER, and from each peer of a PULL, SUB or DEALER.
func WithConflate() Option { return func(s *socket) { s.conflate = true } }

// WithBundle sets the security of a CURVE client, with the keys from a bundle, as "zcert
// bundle" writes it. Dial("") then connects to all endpoints of the bundle. Dial and Listen
// return the error if the file can't be read.
func WithBundle(file string) Option {
	return func(s *socket) {
		c, err := cert.Load(file)
		if err == nil && c.Service.IsZero() {
			err = fmt.Errorf("%s is not a bundle: it names no service", file)
		}
		if err != nil {
			s.fault = fmt.Errorf("zmq4: could not load the bundle: %w", err)
			return
		}
		s.bundled = c.Service.Endpoints
		s.security = CurveClient(c.Secret, c.Service.Key)
	}
}

// WithCurveFiles sets the security of a CURVE client, with its keys from certificate files:
// its own, which has the secret key, and the server's. Dial and Listen return the error if a
// file can't be read.
func WithCurveFiles(certificate, server string) Option {
	return func(s *socket) {
		own, err := cert.Load(certificate)
		if err == nil && own.Secret.IsZero() {
			err = fmt.Errorf("%s has no secret key", certificate)
		}
		var theirs *cert.Certificate
		if err == nil {
			theirs, err = cert.Load(server)
		}
		if err != nil {
			s.fault = fmt.Errorf("zmq4: could not load the keys: %w", err)
			return
		}
		s.security = CurveClient(own.Secret, theirs.Public)
	}
}
