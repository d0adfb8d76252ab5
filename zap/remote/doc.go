// Package remote carries ZAP requests (RFC 27) over ZMTP from the processes
// that ask to the one that decides.
//
// The side that decides listens and answers with a zap.Handler. Its peers are
// REQ or DEALER sockets: libzmq proxies in any language, or the [Client] of
// this package. One connection may have many requests under way; they are
// answered in the order in which the decisions fall.
//
//	ln, err := remote.Listen(ctx, "tcp://127.0.0.1:9127", zmtp.Config{Mechanism: zap.Null})
//	…
//	err = remote.Serve(ctx, ln, handler, slog.Default())
//
// The side that asks has a [Client], which is a zap.Handler too. So a process
// asks a daemon where it would else decide by itself:
//
//	client, err := remote.NewHandler(remote.Options{}, "tcp://127.0.0.1:9127")
//	…
//	defer client.Close()
//	reply := client.Handle(ctx, request)
//
// # Several servers
//
// A client can be given several endpoints. It asks one server, and stays with it as
// long as it answers. When the connection is closed, or a heartbeat isn't answered, it
// connects to the next one within a second, and sends it the requests that still wait.
// All of them decide who gets in, so trust them equally; with CURVE they share one key.
//
// # When the server is away
//
// Requests wait for [Options].Wait and are then answered with status 300, which
// makes the asking client try again. A request with which two connections were lost
// isn't sent a third time, and is answered with 300 too. An attempt to connect ends
// after 3 seconds. The pause before the next one is short, and grows up to 5 seconds if
// connections are lost one after another without a reply.
//
// A server that refuses the client by ERROR is asked again after 5 to 7.5 seconds, with
// the same credentials. RFC 26 forbids that; but an operator may admit the client later,
// and it should then work without a restart.
//
// # Who can ask, and who can answer
//
// Requests hold passwords and replies decide who gets in: beyond loopback and
// ipc the link itself must be CURVE, which the zmtp.Config of both sides says. Both
// sides refuse any other there.
//
// Loopback TCP without CURVE is no boundary between the users of a machine. Each of
// them can ask, and while no server runs each of them can listen on its port, read
// passwords, and admit anybody. Where there are several users, use CURVE, or an ipc
// socket in a directory that only the server's user can write to. On Linux a client
// refuses an ipc server that could be any user's: one that runs neither as root nor as
// the client's own user, with a socket below a directory that every user can write to,
// such as /tmp, or with an abstract name.
package remote
