// Package sasl authenticates clients inside any ZeroMQ protocol, by the Simple
// Authentication and Security Layer (SASL, RFC 4422). The ZeroMQ guide designed the exchange
// for its protocols NOM and FILEMQ; docs/spec/sasl.md specifies it. A program starts with
// ANONYMOUS or PLAIN and grows to something stronger without a change of its protocol.
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
// In place of OHAI-OK the server may send SRSLY, which refuses the client, or RTFM, which
// says that it broke the protocol. Then the server is at its start, and the client may try
// again, up to five times.
//
// A [Codec] turns the commands into the messages of a protocol: [FILEMQ], [NOM] or one of
// the program's own. The package performs no I/O. The program sends what Start and Handle
// return, and hands on what arrives:
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
//	SCRAM-SHA-256-PLUS  proves a password, and that nobody relays it from another
//	                    connection; on a CURVE connection whose key is proved
//	CURVE               proves a key and encrypts what follows: see Server.Layer
//	EXTERNAL            what the connection has proved, by CURVE or TLS for example
//	SCRAM-SHA-256       proves a password; nobody on the path learns it
//	PLAIN               sends a password
//	ANONYMOUS           proves nothing
//
// Each decision is a request to a zap.Handler, usually a policy.Policy, which also says what
// to offer: the same rules decide here and in the handshake of a socket. Link tells them what
// the connection has proved.
//
// A client takes the strongest mechanism that it can use. It sends a password in PLAIN only
// over an encrypted connection, unless told to. SCRAM and CURVE prove to both sides that
// nobody on the path has removed mechanisms from the offer. PLAIN and ANONYMOUS cannot.
//
// # Limits
//
// Challenges and responses have at most 8,192 bytes, an exchange has at most 8 rounds, and a
// client has 5 tries. A Server keeps nothing else of what a client sends. The package sets
// no timers: a program bounds the time that a peer may take, and the number of peers. The
// policy limits guesses, by Link.Address, because a client can always connect again.
//
// A Server is for one connection. A routing id of libzmq does not identify one, because a
// client can claim that of another that has left: docs/sasl.md says what does.
package sasl
