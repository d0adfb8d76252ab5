package zmtp

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// What can be wrong with a peer. Those that end a handshake come in a
// [*HandshakeError]; what CURVE finds is a *curve.ProtocolError.
var (
	// ErrNotZMTP means that the peer's first octets are not ZMTP's.
	ErrNotZMTP = errors.New("peer does not speak ZMTP")
	// ErrVersion means that the peer speaks ZMTP older than 3.0.
	ErrVersion = errors.New("peer speaks a version of ZMTP older than 3.0")
	// ErrRole means that both peers want to be the server, or both the client.
	ErrRole = errors.New("both peers have the same role")
	// ErrServerKey means that a CURVE server closed the connection on HELLO
	// without a word, which is what a server does whose key is another.
	ErrServerKey = errors.New("server closed the connection on HELLO: the server key is probably wrong")
	// ErrTryAgain means that the server closed the connection without a word
	// where its decision was due: it can't decide now.
	ErrTryAgain = errors.New("server closed the connection without a decision: try again later")
	// ErrSocketType means that the peer's socket type doesn't go with ours.
	ErrSocketType = errors.New("socket types do not go together")
	// ErrFrame means that octets are no frame, or a frame not of the kind that
	// is due.
	ErrFrame = errors.New("malformed frame")
	// ErrCommand means that a command is malformed or not the one that is due.
	ErrCommand = errors.New("malformed or unexpected command")
	// ErrMessageSize means that a frame or message is larger than
	// Config.MaxMessageSize, or a handshake command larger than
	// Config.MaxMetadataSize allows.
	ErrMessageSize = errors.New("larger than the limit")
	// ErrParts means that a message has more parts than Config.MaxParts.
	ErrParts = errors.New("message has too many parts")
	// ErrHeartbeat means that the peer was silent, or took nothing, for too long.
	ErrHeartbeat = errors.New("peer is silent: heartbeat timed out")
)

// The two ways to have the same role.
var (
	errBothServers = fmt.Errorf("%w: both are configured as server", ErrRole)
	errBothClients = fmt.Errorf("%w: the peer is a client too: one of the two must be the server", ErrRole)
)

// HandshakeError says that there is no connection, and why. Err is one of this
// package's errors, a *curve.ProtocolError, or one of package net or context.
type HandshakeError struct {
	Peer string // address of the peer, or "" if the net.Conn knows none
	Err  error
}

func (e *HandshakeError) Error() string {
	if e.Peer == "" {
		return fmt.Sprintf("zmtp: handshake failed: %v", e.Err)
	}
	return fmt.Sprintf("zmtp: handshake with %s failed: %v", e.Peer, e.Err)
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// RefusedError says that the server has turned us away with an ERROR command.
// ERROR isn't authenticated: anybody on the path can send one.
type RefusedError struct {
	// Status is the reason octets of the command: from libzmq and from this
	// package the 3 digits of a ZAP status, "400" or "500". After 400 don't
	// try again with the same credentials.
	Status string
}

func (e *RefusedError) Error() string { return "refused by server: " + printable(e.Status) }

// MechanismError says that the peers speak different mechanisms.
type MechanismError struct {
	Ours   string
	Theirs string // empty if the peer closed the connection on seeing ours
}

func (e *MechanismError) Error() string {
	if e.Theirs == "" {
		return "mechanisms differ: ours is " + e.Ours + ", and the peer closed the connection on seeing that"
	}
	return fmt.Sprintf("mechanisms differ: ours is %s, the peer's %s", e.Ours, printable(e.Theirs))
}

// DeniedError says, on the server, that the handler did not let the client in.
type DeniedError struct {
	Key   curve.PublicKey // the client's key where the mechanism is CURVE, proved
	Reply zap.Reply
}

func (e *DeniedError) Error() string {
	s := fmt.Sprintf("client denied: %d", e.Reply.Status)
	if e.Reply.Text != "" {
		s += " " + printable(e.Reply.Text)
	}
	if e.Key != (curve.PublicKey{}) {
		s += ": key " + e.Key.String()
	}
	return s
}

// printable quotes what a peer sent, if it could mislead a reader.
func printable(s string) string {
	if q := strconv.QuoteToASCII(s); q[1:len(q)-1] != s || s == "" {
		return q
	}
	return s
}

// peerName is the address of the peer for people.
func peerName(nc net.Conn) string {
	if a := nc.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
