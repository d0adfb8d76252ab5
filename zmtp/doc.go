// Package zmtp implements ZMTP 3.1 (RFC 23 and RFC 37), the wire protocol of ZeroMQ, over a
// net.Conn. It supports the mechanisms NULL, PLAIN (RFC 24) and CURVE (RFC 25) in both
// roles, interoperates with libzmq, and needs no C library.
//
// A [Conn] is one connection, not a ZeroMQ socket. It sends and receives whole messages,
// and reports who its peer is. It does not reconnect, and it does not route messages
// between peers. The sockets of package sockets/zmq4 do.
//
// # A client
//
// A client names its mechanism and, for CURVE, its own secret key and the server's public
// key:
//
//	conn, err := zmtp.Dial(ctx, "tcp://192.0.2.1:5555", zmtp.Config{
//		SocketType: "REQ",
//		Mechanism:  zap.Curve,
//		Key:        alice,
//		ServerKey:  serverKey,
//	})
//
// # A server
//
// A server asks a zap.Handler about each client, as libzmq asks over ZAP (RFC 27):
//
//	ln, err := zmtp.Listen(ctx, "tcp://*:5555", zmtp.Config{
//		SocketType: "REP",
//		Mechanism:  zap.Curve,
//		Key:        serverKey,
//		Handler:    handler,
//	})
//	…
//	conn, err := ln.Accept(ctx)
//
// [Conn.User] returns the handler's answer. [Conn.Claims] returns what the client says of
// itself, unchecked.
//
// If the handler is a [zap.Keeper], a connection ends when its client must leave again: no
// message is delivered or written any more, both sides get a *RefusedError, and the log says
// "client removed". A client that does not read, or whose message was cut off in the middle,
// only finds the connection closed. So does one of libzmq, which connects again and is then
// refused in the handshake.
//
// # Errors
//
// What a program can do depends on which error an attempt or a connection ended with:
//
//	*RefusedError    ask the server's operator (status 400)
//	ErrServerKey     compare the server's key
//	ErrIncompatible  change the configuration of one side
//	ErrLimit         raise a limit, or refuse the peer
//	ErrProtocol      count the peer as broken or hostile
//	ErrTryAgain      try again later
//	ErrHeartbeat     connect again, perhaps to another server
//
// All other errors, such as those of package net, come from the network or say that the
// program made a mistake. [Retryable] reports whether a new attempt may succeed.
//
// # Batching
//
// [Conn.Send] and [Conn.Recv] handle one message at a time. [Conn.Queue], [Conn.Flush] and
// [Conn.RecvBatch] write and read many messages together and allocate nothing, which saves
// most of their cost. This server answers each batch at once:
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
// The roles of client and server in the mechanism do not depend on which side dials.
// [Client] and [Server] take any net.Conn, and [NewListener] any net.Listener: one of
// crypto/tls, for example.
//
// # Resource limits
//
// Memory grows with the bytes that have arrived, never with the size that a peer announces,
// up to the limits in [Config]. While nothing arrives, a connection has no buffer, and no
// goroutine except the one that waits in Recv. A handshake ends within
// Config.HandshakeTimeout, whatever the peer does. A peer that has proved nothing cannot
// keep others out of a [Listener].
//
// # What is not authenticated
//
// CURVE proves who sent a message and that nobody changed it. It proves nothing about the
// end of a connection: anyone on the path can break it off, and it looks as if the peer had
// done so. So io.EOF from Recv does not prove that there are no more messages, ErrServerKey
// and ErrTryAgain do not prove that the server closed the connection, and a RefusedError may
// be forged. Nobody else can continue a connection, repeat a message or change the order.
// But RFC 26 allows gaps between the counters of messages, so anyone on the path can remove
// messages, and parts of messages, unnoticed. If it matters that a peer received everything,
// number your messages, and end your protocol with a last message that says so.
package zmtp
