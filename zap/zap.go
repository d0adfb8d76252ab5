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
