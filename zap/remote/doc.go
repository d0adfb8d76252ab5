// Package remote carries ZAP requests (RFC 27) over ZMTP from the processes
// that ask to the one that decides.
//
// The side that decides listens and answers with a zap.Handler. Its peers are
// REQ or DEALER sockets: libzmq proxies in any language, or the [Client] of
// this package. One connection may have many requests under way; they are
// answered in the order in which the decisions fall.
//
//	ln, err := remote.Listen(ctx, "tcp://127.0.0.1:9127", zmtp.Config{Mechanism: zap.MechanismNull})
//	…
//	err = remote.Serve(ctx, ln, handler, slog.Default())
//
// The side that asks has a [Client], which is a zap.Handler too. So a process
// asks a daemon where it would else decide by itself:
//
//	client, err := remote.NewClient(remote.ClientConfig{Endpoint: "tcp://127.0.0.1:9127"})
//	…
//	defer client.Close()
//	reply := client.Handle(ctx, request)
//
// Requests hold passwords and replies decide who gets in: beyond loopback and
// ipc the link itself must be CURVE, which the zmtp.Config of both sides says.
package remote
