// Package libzmq adds CURVE and ZAP to programs that use libzmq through
// github.com/pebbe/zmq4. [SetServer] and [SetClient] set the keys of a socket. [Start]
// runs a zap.Handler in a libzmq context, and the handler decides whether each client
// may connect:
//
//	auth, err := libzmq.Start(nil, handler, slog.Default()) // in zmq4's default context
//	…
//	defer auth.Close()
//	err = libzmq.SetServer(sock, key, "payments")
//	…
//	err = sock.Bind("tcp://*:5555")
//
// Call Start before the first server socket binds, so that no client has to try again.
// While no handler runs, a server socket configured by SetServer admits no client; its
// clients retry. By default, libzmq would admit every client then, even in a ZAP domain,
// so SetServer also sets ZMQ_ZAP_ENFORCE_DOMAIN. Only a socket configured by
// [SetServerWithoutAuthentication] admits clients without a handler.
//
// A handler comes from package policy, or is your own function. To ask a zauth daemon, use the
// handler of package zap/remote:
//
//	handler, err := remote.NewHandler(remote.Options{Log: slog.Default()}, "tcp://127.0.0.1:9127")
//
// A connection stays open when the policy or zauth would no longer admit its client, for example
// after its key was revoked: libzmq asks once, and has no call that closes the connection of one
// client. To end such connections, restart the program, or close the sockets and bind new ones;
// the other clients connect again. The connections of packages zmtp and sockets/zmq4 end by
// themselves.
//
// zmq4 and libzmq take secret keys as text, and leave copies of it in memory that cannot
// be wiped.
package libzmq
