// Package zmq4 provides the sockets of ZeroMQ (RFC 28 to 31) in pure Go, over package zmtp,
// with CURVE. Its names are those of github.com/go-zeromq/zmq4, so a program that uses it
// changes one import. docs/sockets.md lists what differs.
//
// # A first pipeline
//
// A worker listens, and receives from any number of peers:
//
//	pull := zmq4.NewPull(ctx)
//	defer pull.Close()
//	if err := pull.Listen("tcp://*:5555"); err != nil {
//		return err
//	}
//	msg, err := pull.Recv()
//
// Another program, in any language, dials and sends:
//
//	push := zmq4.NewPush(ctx, zmq4.WithReconnect(0, 0))
//	defer push.Close()
//	if err := push.Dial("tcp://192.0.2.1:5555"); err != nil {
//		return err
//	}
//	err := push.Send(zmq4.NewMsgString("hello"))
//
// A message is one frame or several, which arrive together or not at all. Send copies them.
// What Recv returns belongs to the caller. All methods are safe for concurrent use.
//
// # Types
//
// Each type of socket has its rule for who gets a message, and for what happens when a
// peer's queue has reached its mark, or no peer is there:
//
//   - PUSH sends to its peers in turn, and skips those whose queues are full. If no peer has
//     room, Send waits.
//   - PULL receives from its peers in turn.
//   - REQ sends requests to its peers in turn, and receives their replies. Without a peer,
//     Send returns an error; with [WithReconnect] it waits.
//   - REP answers: Send goes to the peer whose request Recv has returned last. If that peer
//     has left, or its queue is full, the reply is dropped.
//   - DEALER sends and receives like PUSH and PULL, and can talk to a REP or ROUTER without
//     waiting for each reply.
//   - ROUTER receives messages with the sender's identity as frame 0, and sends to the peer
//     that frame 0 names. For an unknown identity or a full queue, the message is dropped.
//     With [WithMandatory], Send returns [ErrNoRoute], or waits.
//   - PUB sends a message to each peer that has subscribed to a prefix of frame 0. Peers
//     whose queues are full lose it. Send never waits.
//   - SUB receives what it has subscribed to, with SetOption and [OptionSubscribe].
//   - XPUB is a PUB that also receives subscriptions, as a byte 1 and the topic, and 0 when
//     nobody subscribes to it any more.
//   - XSUB is a SUB that subscribes by sending such messages.
//   - PAIR has one peer, and refuses others. If the queue is full, Send waits.
//
// A [Proxy] joins two sockets, such as a ROUTER for clients and a DEALER for workers.
//
// When Send waits, it does so for as long as [WithTimeout] says, and then returns
// context.DeadlineExceeded; the message is not sent later. [SendContext] waits for a context
// instead, and [TrySend] not at all: it returns [ErrAgain]. [RecvContext] and [TryRecv] do
// the same for Recv, which otherwise waits without a limit.
//
// [WithHighWaterMarks] bounds the queues, for each peer and each direction. A socket whose
// queue of received messages is full reads no more from that peer, so the peer's own queue
// fills. So memory is bounded in both processes. Marks count messages, whatever their size.
//
// # Connections
//
// A socket can listen at any number of endpoints, and dial any number: tcp://HOST:PORT,
// ipc://PATH, and inproc://NAME within the process. tcp://*:5555 listens on all addresses,
// and tcp://127.0.0.1:0 at a free port, which Addr returns.
//
// By default, Dial returns when the peer is connected, or with an error after a few
// attempts; see [WithDialerMaxRetries]. With [WithReconnect], it returns at once, and the
// socket connects as soon as the peer is there.
//
// In both cases the socket connects again whenever it has lost a peer that it has dialed:
// for ever, with growing pauses. Subscriptions are sent again, and what was queued for the
// peer is kept. When a PULL, SUB, XSUB, DEALER or PAIR loses such a peer, one Recv returns
// io.EOF, and the next ones go on; with [WithReconnect] or [WithAutomaticReconnect], none
// does. Only with these, a PUB or XPUB keeps messages and subscriptions of a peer that it has
// dialed, unless another user answers there. A REQ returns io.EOF for each reply that is
// lost. What a ROUTER or REP has queued for a peer goes to no other one at its endpoint.
//
// [WithEvents] reports each connection, each failure and its reason, in one sentence.
//
// Close first sends what is queued, for as long as [WithLinger] says. When the context of
// the constructor is done, the socket closes at once, and calls return context.Canceled.
//
// # Security
//
// Without an option, connections are neither encrypted nor authenticated. With CURVE they
// are both. One side is the server: it has a key pair, and a handler that decides which
// clients to admit. The clients know the server's public key. Either side may listen.
//
// The handler can be a policy: a file, or rules in Go, that say which keys to admit. zcert gen
// service alice generates certificates, and alice.key goes into the directory clients:
//
//	c, err := cert.Load("service.key_secret")
//	rules := policy.Rules{{Name: "payments", Curve: &policy.Curve{Keystores: []string{"dir:clients"}}}}
//	p, err := policy.New(rules, policy.Options{Log: slog.Default()})
//	go p.Watch(ctx)
//	pull := zmq4.NewPull(ctx, zmq4.WithSecurity(zmq4.CurveServer(c.Secret, "payments", p)))
//
// A client needs its own certificate and the server's public one:
//
//	push := zmq4.NewPush(ctx, zmq4.WithCurveFiles("alice.key_secret", "service.key"))
//
// Or the handler is one of package zap/remote, which asks a zauth daemon. Msg.From says who
// sent a message: the user id that the handler gave, such as "alice", the key that the
// client has proved, and metadata.
//
// When the policy no longer admits a client, because its key was revoked, its certificate
// has expired or was removed, or the rules have changed, its connections end within a second
// while Watch runs. So they do when zauth no longer admits it. The client's events say so. It
// tries again every few seconds, in case it is admitted again.
package zmq4
