// Package zmtp speaks ZMTP 3.1, the protocol between ZeroMQ sockets (RFC 23 and
// RFC 37), over a net.Conn: greeting, frames, heartbeats, and the mechanisms
// NULL, PLAIN (RFC 24) and CURVE (RFC 25) in both roles. Its peers are libzmq's
// sockets in any language, or itself. It needs no C library.
//
// A [Conn] is one connection, not a ZeroMQ socket: nothing reconnects, queues
// or routes. What it has is whole messages, both ways, from a peer who has been
// proved to be who it should be.
//
// # A client
//
// A client names the mechanism and, for CURVE, its own keys and the server's
// public key:
//
//	conn, err := zmtp.Dial(ctx, "tcp://192.0.2.1:5555", zmtp.Config{
//		SocketType: "REQ",
//		Mechanism:  zap.Curve,
//		Keys:       keys,
//		ServerKey:  serverKey,
//	})
//
// If there is no connection, a [*HandshakeError] says why: [*RefusedError] with
// the server's status, [ErrServerKey], [*MechanismError], [errNotZMTP] and so
// on; match with errors.Is and errors.As.
//
// # A server
//
// A server asks a zap.Handler about each client, the same that libzmq would ask
// over ZAP (RFC 27):
//
//	ln, err := zmtp.Listen(ctx, "tcp://*:5555", zmtp.Config{
//		SocketType: "REP",
//		Mechanism:  zap.Curve,
//		Keys:       keys,
//		Handler:    handler,
//	})
//	…
//	conn, err := ln.Accept(ctx)
//
// What the handler answers is in [Conn.User]; what the client merely says of
// itself is in [Conn.Claims].
//
// # Many messages
//
// [Conn.Send] and [Conn.Recv] are for one message at a time: nothing waits for
// another. Who has many at a time saves most of what they cost with
// [Conn.Queue], [Conn.Flush] and [Conn.RecvBatch], which write and read them
// together and allocate nothing. A server that answers what has come, and lets
// nothing wait longer than that:
//
//	for {
//		batch, err := conn.RecvBatch(ctx)
//		if err != nil {
//			return err
//		}
//		for _, message := range batch {
//			if err := conn.Queue(ctx, answer(message)...); err != nil {
//				return err
//			}
//		}
//		if err := conn.Flush(ctx); err != nil {
//			return err
//		}
//	}
//
// # Roles
//
// Who is client and who is server in the mechanism doesn't depend on who
// dialled: [Client] and [Server] take any net.Conn, [DialNet] and [ListenNet]
// make those of the usual endpoints.
//
// # Hostile peers
//
// Memory grows with the octets that have arrived, never with the size that a
// peer announces, and up to the limits in [Config]. While nothing arrives a
// connection has no buffer, and no goroutine but the one that waits in Recv. A
// handshake must end within Config.HandshakeTimeout, whatever the peer does, and a
// peer that has proved nothing keeps no one else out of a [Listener].
//
// # What isn't authenticated
//
// CURVE proves who sent a message and that it wasn't changed. It proves nothing about
// a connection's end: anyone on the path can break it off at any time, and it looks as
// if the peer had done so. So io.EOF from Recv doesn't say that there are no more
// messages, [ErrServerKey] and [ErrTryAgain] don't say that the server closed the
// connection, and a [*RefusedError] before the end of a handshake may be forged. A
// connection can't be continued by someone else, and no message is missing between two
// that have arrived. If it matters that a peer got everything, end your protocol with
// a last message that says so.
package zmtp
