// Package libzmq adds CURVE and ZAP to programs that use libzmq through
// github.com/pebbe/zmq4.
//
// Two calls make a socket speak CURVE, one on each side:
//
//	err := libzmq.Server(sock, serverKeys, "payments") // before Bind or Connect
//	err := libzmq.Client(sock, clientKeys, serverPublicKey)
//
// A libzmq server asks a ZAP handler (RFC 27) about each client, over
// inproc://zeromq.zap.01 in the socket's context. [Start] answers there with a
// zap.Handler, in as many contexts as a process has. Start it before the first
// server socket binds, so that no client has to retry. While a context has no
// handler, its servers admit nobody: [Server] sets the domain and
// ZMQ_ZAP_ENFORCE_DOMAIN. libzmq alone admits every CURVE client then, with or
// without a domain. [ServerWithoutAuthentication] is for servers that are meant to.
//
// zmq4 and libzmq take secret keys as text, of which they leave copies in memory that
// can't be wiped.
//
// Any zap.Handler does. To ask a zauth daemon, pass a client of package zap/remote,
// which waits for a daemon that is away and reconnects:
//
//	client, err := remote.NewHandler(remote.Options{}, "tcp://127.0.0.1:9127")
//	…
//	auth, err := libzmq.Start(ctx, zctx, client, log)
package libzmq
