// Package zmq4 provides the sockets of ZeroMQ (RFC 28 to 31) in pure Go, over package
// zmtp, with CURVE. Its names are those of github.com/go-zeromq/zmq4.
//
// A worker that receives from a socket of any language:
//
//	pull := zmq4.NewPull(ctx, zmq4.WithReconnect(0, 0))
//	defer pull.Close()
//	if err := pull.Dial("tcp://192.0.2.1:5555"); err != nil {
//		return err
//	}
//	msg, err := pull.Recv()
//
// # Security
//
// The server of a CURVE connection asks a zap.Handler which clients to admit: a policy of
// package policy, or a zauth daemon through package zap/remote. Msg.From tells who sent a
// message:
//
//	pull := zmq4.NewPull(ctx, zmq4.WithSecurity(zmq4.CurveServer(key, "payments", handler)))
//	push := zmq4.NewPush(ctx, zmq4.WithSecurity(zmq4.CurveClient(alice, serverKey)))
//
// # Connections
//
// A socket listens at any number of endpoints, and dials any number: tcp://HOST:PORT,
// ipc://PATH, and inproc://NAME within the process. It connects again to a peer that it has
// dialed and lost. With WithReconnect, Dial returns before the peer is there.
//
// # When no peer can take a message
//
// Each peer has a queue of as many messages as WithHighWaterMarks says. If the queues are
// full, or no peer is there, PUSH, DEALER and PAIR wait, up to WithTimeout, and skip
// peers whose queues are full. PUB and XPUB drop the message for those peers. ROUTER drops it, or waits if WithMandatory is set. REQ
// returns an error if it has no peer, and waits for its peer with WithReconnect.
package zmq4
