// Package remote carries ZAP requests (RFC 27) from services to a ZAP server in another
// process. [Serve] answers requests with a zap.Handler, as zauth does:
//
//	ln, err := remote.Listen(ctx, "tcp://127.0.0.1:9127", zmtp.Config{Mechanism: zap.Null})
//	…
//	err = remote.Serve(ctx, ln, handler, slog.Default())
//
// [Handler] is a zap.Handler that forwards each request to such a server, so a service can
// use it wherever it would use a local handler:
//
//	handler, err := remote.NewHandler(remote.Options{Log: slog.Default()}, "tcp://127.0.0.1:9127")
//	…
//	defer handler.Close()
//	reply, err := zap.Ask(ctx, handler, request)
//
// The peers of a server are REQ or DEALER sockets: a Handler, or a proxy of libzmq in any
// language. A connection can have many requests in progress. Replies are sent in the
// order of the decisions.
//
// # Several servers
//
// A handler can have several endpoints. It asks one server as long as that server
// answers. When the connection is closed, or a heartbeat is not answered, the handler
// connects to the next server within a second, and sends it the pending requests. Each
// server decides for all of them, so trust them equally. With CURVE, they share one key.
//
// # While no server can be reached
//
// Requests wait for [Options].Wait and then get status 300, so that the client tries
// again. A request with which two connections were lost is not sent a third time, and
// gets status 300 too. An attempt to connect ends after 3 seconds. The pause before the
// next attempt is short. It grows to 5 seconds if connections are lost one after another
// without a reply.
//
// A server that refuses the handler is tried again after 5 to 7.5 seconds, with the same
// credentials. RFC 26 forbids that. But an operator may admit the handler later, and then
// it works without a restart.
//
// # Clients that must leave
//
// A handler is a zap.Keeper: if the server's handler is one too, as that of zauth is, the
// server says later that a client must leave. docs/spec/admissions.md specifies how. While no
// server can be reached, admissions stay open. The next connection makes its server decide
// about all of them again: the same server, one that was restarted, or another one. A decision
// about a password cannot be repeated. The same server continues to watch such an admission
// for a minute after the connection was lost; otherwise, it ends with status 300, and the client
// connects again. A server that cannot watch admissions ends none.
//
// # Security of the link
//
// Requests hold passwords, and replies admit clients. So beyond loopback and ipc, the
// mechanism of the link must be CURVE. Both sides refuse any other.
//
// Loopback TCP without CURVE does not protect users of a machine from each other. Each of
// them can ask. While no server runs, each of them can listen on its port, read passwords,
// and admit any client. Where there are several users, use CURVE, or an ipc socket in a
// directory that only the server's user can write to. On Linux a handler refuses an ipc
// server that any user could have started: one that runs neither as root nor as the
// handler's own user, with a socket below a directory that every user can write to, such
// as /tmp, or with an abstract name.
package remote
