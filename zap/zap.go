// Package zap defines the requests and replies of the ZeroMQ Authentication
// Protocol, ZAP 1.0 (RFC 27), and the [Handler] interface that answers them. A
// server asks its handler about each client that connects. The handler's [Reply]
// admits the client or refuses it. The package performs no I/O.
//
// The same handler serves the sockets of libzmq (package sockets/libzmq), the
// connections of package zmtp, and other processes (package zap/remote):
//
//	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
//		if key, ok := req.CurveKey(); ok && key == alice {
//			return zap.Allow("alice")
//		}
//		return zap.Refuse("not alice")
//	})
//
// Most programs take their handler from package policy. To use one, call [Ask], which
// returns a valid reply even if the handler panics, blocks, or returns an invalid one.
// [Answer] does the same for a request in frames, to carry ZAP over another transport.
package zap

import "context"

// Handler decides which clients may connect. Handle is called from many goroutines at
// once. It should return when ctx is done, because nothing waits for the reply after that.
// The handler may keep and change the request. To call a handler, use [Ask].
type Handler interface {
	Handle(ctx context.Context, req *Request) Reply
}

// PromptHandler is a Handler that can decide some requests within microseconds and
// without blocking. HandleAtOnce returns false if it cannot, and the caller must then
// call Handle. It must return, since other clients of the same connection or socket wait
// for it, and no context can end it. It must not retain req or anything that req refers
// to.
//
// A request that is decided at once needs no goroutine and is not copied.
type PromptHandler interface {
	Handler
	HandleAtOnce(req *Request) (reply Reply, ok bool)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, req *Request) Reply

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, req *Request) Reply { return f(ctx, req) }

// A Keeper is a Handler that also says when a client that it has admitted must leave
// again, because its identity has been revoked, has expired or is no longer allowed.
//
// Keep watches the decision about req, which was reply with [StatusOK]. It calls end at
// most once, when that decision no longer holds. end gets the new decision: one with
// [StatusRefused], or with [StatusTryLater] if the client may come back at once, for
// example as somebody else. Keep may call end before it returns. end returns at once, and
// any goroutine may call it.
//
// release ends the watch. The caller calls it when the client has left, and may call it
// more than once, also from end. It does not wait for a call of end, so end may still be
// called shortly after it.
//
// Keep is called from many goroutines at once, after the decision about req, which may have
// changed in the meantime. It must return soon. It must not retain req or anything that req
// refers to: it copies what it needs, which should be little, as every open connection has a
// watch. If Keep panics, the client is refused.
//
// A handler that calls another one should be a Keeper as well, and call its Keep: otherwise, the
// clients of that handler stay, although they must leave.
type Keeper interface {
	Handler
	Keep(req *Request, reply Reply, end func(Reply)) (release func())
}
