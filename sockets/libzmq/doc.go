// Package libzmq secures programs that use libzmq through
// github.com/pebbe/zmq4: certificates onto sockets, and the decision who may
// connect.
//
// Two calls make a socket speak CURVE, one on each side:
//
//	err := libzmq.Server(sock, serverKeys, "payments") // before Bind or Connect
//	err := libzmq.Client(sock, clientKeys, serverPublicKey)
//
// A libzmq server asks a ZAP handler (RFC 27) about each client, over
// inproc://zeromq.zap.01 in the socket's context. [Start] answers there with a
// zap.Handler, in as many contexts as a process has. Start it before the first
// server socket binds: as long as there is no handler, libzmq lets every CURVE
// client in.
//
// Any zap.Handler does. To ask a zauth daemon, hand over a client of package
// zap/remote; it waits for a daemon that is away, and connects again by itself:
//
//	client, err := remote.NewClient(remote.ClientConfig{Endpoint: "tcp://127.0.0.1:9127"})
//	…
//	auth, err := libzmq.Start(ctx, zctx, client, log)
package libzmq
