package zmtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// The errors on which a program may act; match them with errors.Is. [Retryable] sums
// them up.
var (
	// ErrServerKey means that a CURVE server closed the connection after HELLO, as a
	// server does if the client has a wrong server key. Compare the keys.
	ErrServerKey = errors.New("server closed the connection on HELLO: the server key is probably wrong")
	// ErrTryAgain means that the server cannot decide now: it closed the connection
	// where its decision was expected, or before its greeting.
	ErrTryAgain = errors.New("server closed the connection without a decision: try again later")
	// ErrIncompatible means that the peer has another mechanism, socket type, role or
	// version, or does not speak ZMTP. The configuration of one side must change.
	ErrIncompatible = errors.New("incompatible peer")
	// ErrProtocol means that the peer broke the rules of ZMTP or CURVE, or that someone
	// changed what it sent. If the rule is one of CURVE, it wraps a *curve.ProtocolError.
	ErrProtocol = errors.New("protocol error")
	// ErrLimit means that the peer exceeded MaxMessageSize, MaxMetadataSize or MaxParts
	// of the Config.
	ErrLimit = errors.New("limit exceeded")
	// ErrHeartbeat means that the peer was silent, or read nothing, for too long.
	ErrHeartbeat = errors.New("peer is silent: heartbeat timed out")
	// ErrQueued means that a context ended after a message had been accepted for sending
	// and before it was written. The message will be sent: don't send it again.
	ErrQueued = errors.New("stopped waiting for a message to be written")
)

// reason is an error with a sentence of its own that matches an exported error.
type reason struct {
	kind error
	text string
}

func (r *reason) Error() string        { return r.text }
func (r *reason) Is(target error) bool { return target == r.kind }

var (
	errNotZMTP     = &reason{ErrIncompatible, "peer does not speak ZMTP"}
	errVersion     = &reason{ErrIncompatible, "peer speaks a version of ZMTP older than 3.0"}
	errBothServers = &reason{ErrIncompatible, "both peers are configured as servers"}
	errBothClients = &reason{ErrIncompatible, "the peer is a client too: one of the two must be the server"}
	errSocketType  = &reason{ErrIncompatible, "incompatible socket types"} // travels in ERROR: printable ASCII, at most 255 bytes

	errFrame   = &reason{ErrProtocol, "malformed frame"}
	errCommand = &reason{ErrProtocol, "malformed or unexpected command"}

	errMessageSize = &reason{ErrLimit, "larger than the limit"}
	errParts       = &reason{ErrLimit, "message has too many parts"}

	// errNoGreeting ends a handshake whose peer closes the connection without sending a byte.
	errNoGreeting   = errors.New("peer closed the connection before its greeting")
	errServerStarts = &reason{ErrTryAgain, "server closed the connection before its greeting: it may be starting or stopping: try again later"}

	// errConfig reports a Config, a message or an endpoint that is wrong before the network
	// is touched.
	errConfig    = errors.New("zmtp: invalid configuration")
	errNoParts   = &reason{errConfig, "zmtp: message without parts"}
	errDelimiter = &reason{errConfig, "zmtp: a message to or from a REQ or REP needs an empty part before its own parts"}
)

// SocketTypeError means that the types of the two sockets do not fit, such as PUSH and SUB
// (RFC 37, The Socket-Type Property). It matches ErrIncompatible.
type SocketTypeError struct {
	Ours, Theirs string // the peer's is unchecked
}

func (e *SocketTypeError) Error() string {
	return errSocketType.text + ": this side is a " + e.Ours + ", the peer a " + printable(e.Theirs)
}

// Unwrap returns an error that matches ErrIncompatible.
func (e *SocketTypeError) Unwrap() error { return errSocketType }

// mechanismError returns the error for peers of two mechanisms. An empty theirs means
// that the peer closed the connection when it saw ours.
func mechanismError(ours, theirs string) error {
	if theirs == "" {
		return &reason{ErrIncompatible, "mechanism mismatch: this side uses " + ours + ", and the peer closed the connection"}
	}
	return &reason{ErrIncompatible, fmt.Sprintf("mechanism mismatch: this side uses %s, the peer %s", ours, printable(theirs))}
}

// curveError matches ErrProtocol if it wraps a *curve.ProtocolError.
type curveError struct{ error }

func (e curveError) Error() string { return withoutName(e).Error() }

// withoutName is an error of a package below this one, without that package's name in
// front of its text: the text of an error has the name of this package there.
type withoutName struct{ error }

func (e withoutName) Error() string {
	text := e.error.Error()
	for _, name := range [...]string{"curve: ", "zap: "} {
		text = strings.TrimPrefix(text, name)
	}
	return text
}

func (e withoutName) Unwrap() error { return e.error }

// fromCurve makes errors of package curve match ErrProtocol.
func fromCurve(err error) error {
	if err == nil {
		return nil
	}
	return curveError{err}
}

func (e curveError) Unwrap() error { return e.error }

func (e curveError) Is(target error) bool {
	_, broke := errors.AsType[*curve.ProtocolError](e.error)
	return broke && target == ErrProtocol
}

// RefusedError means that the server's handler did not admit the client. Both sides get
// one. A client knows what the server's ERROR command says: Reply.Status, or Reply.Text
// if it is not a status. Nothing authenticates ERROR: anyone on the path can send one.
type RefusedError struct {
	Key   curve.PublicKey // on a CURVE server, the key that the client has proved to own
	Reply zap.Reply

	atServer bool
}

func (e *RefusedError) Error() string {
	status := strconv.Itoa(int(e.Reply.Status))
	if !e.atServer {
		if e.Reply.Status == 0 {
			status = printable(e.Reply.Text)
		}
		return "refused by server: " + status + advice[e.Reply.Status]
	}
	s := "client refused: " + status
	if e.Reply.Text != "" {
		s += " " + printable(e.Reply.Text)
	}
	if e.Key != (curve.PublicKey{}) {
		s += ": key " + e.Key.String()
	}
	return s
}

// attrs are the fields of a refusal in a server's log.
func (e *RefusedError) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Int("status", int(e.Reply.Status)), slog.String("reason", e.Reply.Text)}
	if e.Key != (curve.PublicKey{}) {
		attrs = append(attrs, slog.Any("key", e.Key))
	}
	if e.Reply.Rule != "" {
		attrs = append(attrs, slog.String("rule", e.Reply.Rule))
	}
	return attrs
}

// advice says what a refused client can do.
var advice = map[zap.Status]string{
	zap.StatusTryLater: " (the server cannot decide now; try again later)",
	zap.StatusRefused:  " (not admitted; ask its operator)",
	zap.StatusError:    " (the server's handler failed; see the server's log)",
}

// Retryable reports whether trying again later, with the same configuration, may succeed
// where err ended an attempt or a connection. It is false if the peer refused this client
// with status 400, or is incompatible, breaks the protocol or exceeds a limit, if the
// server key is probably wrong, if the Config, the endpoint or a message is invalid, if
// this side has closed the connection or canceled the context, and if a message will be
// sent anyway (ErrQueued). Anyone on the path can cause most of these, so a program
// that must stay connected tries again in any case, but slowly.
func Retryable(err error) bool {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Reply.Status == zap.StatusTryLater || refused.Reply.Status == zap.StatusError
	}
	for _, permanent := range []error{ErrIncompatible, ErrProtocol, ErrLimit, ErrServerKey, ErrQueued, errConfig, net.ErrClosed, context.Canceled} {
		if errors.Is(err, permanent) {
			return false
		}
	}
	return err != nil
}

// printable quotes what a peer sent if it could mislead a reader.
func printable(s string) string {
	if q := strconv.QuoteToASCII(s); q[1:len(q)-1] != s || s == "" {
		return q
	}
	return s
}

// peerName returns the address of the peer, or "" if nc knows none.
func peerName(nc net.Conn) string {
	if a := nc.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// handshakeError says with whom a handshake failed.
func handshakeError(nc net.Conn, err error) error {
	if peer := peerName(nc); peer != "" {
		return fmt.Errorf("zmtp: handshake with %s: %w", peer, err)
	}
	return fmt.Errorf("zmtp: handshake failed: %w", err)
}
