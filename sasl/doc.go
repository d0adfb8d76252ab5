// Package sasl authenticates clients inside any ZeroMQ protocol, by the Simple
// Authentication and Security Layer (SASL, RFC 4422). The ZeroMQ guide designed the exchange
// for its protocols NOM and FILEMQ; docs/spec/sasl.md specifies it. A program can start with
// ANONYMOUS or PLAIN and move to a stronger mechanism without changing its protocol.
//
// # The exchange
//
//	client                             server
//	Client.Start   ── OHAI ─────────►  Server.Handle
//	Client.Handle  ◄─ ORLY ──────────  the mechanisms that it offers
//	               ── YARLY ────────►  one mechanism and a response
//	Client.Handle  ◄─ ORLY ──────────  a challenge, if the mechanism has more
//	               ── YARLY ────────►  a response
//	Client.Done    ◄─ OHAI-OK ───────  Server.User
//
// Instead of OHAI-OK, the server sends SRSLY if it refuses the client, or RTFM if the client
// broke the protocol. The exchange is then over, and the client may start another one, up to
// five times.
//
// A [Codec] converts the commands to the messages of a protocol: [FILEMQ], [NOM] or your own.
// The package performs no I/O. Your program sends what Start and Handle return, and passes
// what it receives to Handle:
//
//	server, err := sasl.NewServer(sasl.ServerConfig{Codec: sasl.NOM, Policy: rules, Domain: "chat", Link: link})
//	…
//	reply, err := server.Handle(ctx, message)
//	if err != nil {
//		log.Warn("not authenticated", "err", err)
//	}
//	if reply != nil {
//		send(reply)
//	}
//	if user, ok := server.User(); ok {
//		// admitted
//	}
//
// # Mechanisms
//
// From strong to weak:
//
//	SCRAM-SHA-256-PLUS  proves a password, and binds it to the CURVE connection in which
//	                    it happens, so that nobody can relay it to another one
//	CURVE               proves a key, and encrypts what follows: see Server.Layer
//	EXTERNAL            uses what the connection has proved, by CURVE or TLS for example
//	SCRAM-SHA-256       proves a password without sending it
//	PLAIN               sends a password
//	ANONYMOUS           proves nothing
//
// Each decision is a request to a zap.Handler, usually a policy.Policy, which also says what
// to offer. So the same rules apply here and in the handshake of a socket. Link tells them
// what the connection has proved.
//
// A client uses the strongest mechanism that it can. It sends a password by PLAIN only over
// an encrypted connection, unless told otherwise. SCRAM and CURVE detect that someone on the
// path removed mechanisms from the offer. PLAIN and ANONYMOUS cannot.
//
// # Limits
//
// Challenges and responses have at most 8,192 bytes, an exchange has at most 8 rounds, and a
// client has 5 tries. The package sets no timers: your program bounds the time that a peer
// may take, and the number of peers. The policy limits guesses, by Link.Address, because a
// client can always connect again.
//
// Use one Server for each connection. A routing id of libzmq does not identify a connection,
// because a client can claim the id of another one that has left. docs/sasl.md shows what to
// use instead.
package sasl
