// Package zap is the ZeroMQ Authentication Protocol, ZAP 1.0 (RFC 27): the
// question a server asks about a client that wants to connect, the answer, and
// the frames in which both travel. It does no I/O.
//
// A decision is a [Handler]: it gets a [Request] and gives a [Reply]. The same
// Handler serves libzmq's sockets (package sockets/libzmq), ZAP requests from
// other processes (package zap/remote) and our own connections (package zmtp):
//
//	handler := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
//		if key, ok := req.CurveKey(); ok && key == alice {
//			return zap.Reply{Status: zap.StatusOK, UserID: "alice"}
//		}
//		return zap.Refuse("not alice")
//	})
//
// [Ask] asks a handler, and never gets anything from it but a valid reply: not even
// if it panics. [Answer] does that for a request in frames, which is all that those
// need who carry requests over a transport of their own.
package zap

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// Mechanisms of ZMTP as they stand in a request.
const (
	Null   = "NULL"
	Plain  = "PLAIN"
	Curve  = "CURVE"
	GSSAPI = "GSSAPI"
)

// Status is the outcome of a request (RFC 27, Message Format).
type Status int

const (
	StatusOK       Status = 200 // let the client in
	StatusTryLater Status = 300 // temporary: the connection is closed without a word, the client tries again
	StatusRefused  Status = 400 // the client is told, and doesn't try again with the same credentials
	StatusError    Status = 500 // the handler failed; for the client the same as 400
)

// Valid reports whether s is one of the four statuses of RFC 27.
func (s Status) Valid() bool {
	switch s {
	case StatusOK, StatusTryLater, StatusRefused, StatusError:
		return true
	}
	return false
}

// Request asks whether a client may connect. The strings are at most 255
// octets each.
//
// It prints without its credentials, under every verb, in JSON and in slog. Only where
// it is an unexported field of something else does fmt show them: don't print that.
type Request struct {
	Domain      string   // the security domain that the server belongs to; may be empty
	Address     string   // the client's IP address; for ipc empty, or libzmq's localhost:UID:GID:PID
	RoutingID   []byte   // routing id of the asking server's socket, as libzmq sends it
	Mechanism   string   // Null, Plain, Curve or GSSAPI
	Credentials [][]byte `json:"-"` // what the mechanism has proved or claims; may hold a password

	// Asker is the service that put the question to a daemon, for logs and audits:
	// its address, with its user id where that is known. It doesn't travel, and is
	// empty where the question was put in-process.
	Asker string
}

// CurveKey returns the client's public key, 32 octets, if the request is for
// CURVE and well-formed.
func (r *Request) CurveKey() (key [32]byte, ok bool) {
	if r.Mechanism != Curve || len(r.Credentials) != 1 || len(r.Credentials[0]) != len(key) {
		return key, false
	}
	return [32]byte(r.Credentials[0]), true
}

// PlainLogin returns the user name and the password if the request is for
// PLAIN and well-formed.
func (r *Request) PlainLogin() (username string, password []byte, ok bool) {
	if r.Mechanism != Plain || len(r.Credentials) != 2 {
		return "", nil, false
	}
	return string(r.Credentials[0]), r.Credentials[1], true
}

// String describes the request for a log, without its credentials.
func (r Request) String() string {
	return fmt.Sprintf("%s from %q in domain %q", r.Mechanism, r.Address, r.Domain)
}

// Format writes what String returns, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// LogValue returns the mechanism, the address, the domain, and the asker if there is
// one.
func (r Request) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("mechanism", r.Mechanism), slog.String("address", r.Address), slog.String("domain", r.Domain)}
	if r.Asker != "" {
		attrs = append(attrs, slog.String("asker", r.Asker))
	}
	return slog.GroupValue(attrs...)
}

// Reply is the answer to a request.
type Reply struct {
	Status   Status
	Text     string   // explains the status to an operator; ASCII, at most 255 octets
	UserID   string   // who the client is, with StatusOK only; ASCII, at most 255 octets
	Metadata Metadata // what the server may know of the user, with StatusOK only; no reserved names

	// Rule says what decided, such as "policy.zpl:12", for logs and audits. It
	// doesn't travel.
	Rule string
	// Identity is what the handler calls the client, also in a refusal, for logs and
	// audits; "" for one that it doesn't know. It doesn't travel.
	Identity string
}

// Refuse is the reply of StatusRefused with a text.
func Refuse(text string) Reply { return Reply{Status: StatusRefused, Text: text} }

// Handler decides who may connect. Handle is called from many goroutines at
// once. It should return when ctx is done: nobody waits for the answer any
// more. The request is the handler's for good. Call it by [Ask].
type Handler interface {
	Handle(ctx context.Context, req *Request) Reply
}

// PromptHandler is a Handler that can decide about some requests at once: without
// waiting for anything, and in microseconds. Whoever asks it then needs no
// goroutine for the answer, and no copy of the request: what that consists of
// is valid until HandleAtOnce returns. ok is false for a request that may take
// longer, which is for Handle. HandleAtOnce must return: no context ends it, and the
// clients of the same connection or socket wait for it.
type PromptHandler interface {
	Handler
	HandleAtOnce(req *Request) (reply Reply, ok bool)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, req *Request) Reply

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, req *Request) Reply { return f(ctx, req) }
