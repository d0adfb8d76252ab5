// Package curve implements CurveZMQ (RFC 26): keys and their Z85 text form (RFC 32), the
// handshake between a client and a server, and message encryption. It performs no I/O:
// callers pass in the commands that they receive, and send the commands that it returns.
// Package zmtp does this over a net.Conn.
//
// # The handshake
//
// Each side has a long-term key pair: the client C and c, the server S and s. The client
// knows S beforehand. For each connection both sides generate a transient pair, C' and c',
// S' and s', and wipe it afterwards. So someone who records the traffic today and steals
// the long-term keys tomorrow cannot read it.
//
//	client                                server
//	NewClient                             Server.Handshake
//	Client.Hello          ── HELLO ────►  Handshake.HandleHello
//	Client.HandleWelcome  ◄─ WELCOME ───
//	                      ── INITIATE ─►  Handshake.HandleInitiate
//	Client.HandleReady    ◄─ READY ─────  Handshake.Ready
//	Sealer and Opener     ◄─ MESSAGE ──►  Sealer and Opener
//
// HELLO carries C' and proves that its sender knows S. The server generates s', seals it
// with C' into a cookie that only this server can open, sends the cookie and S' in WELCOME,
// and forgets both: a flood of HELLOs costs time but no memory. INITIATE returns the cookie
// and carries, in a box that no onlooker can open, C and the vouch: a box from c to S' that
// names C' and S. The vouch proves to the server that the owner of C wants this connection
// to this server, and nobody else can use that proof.
//
// Now the caller knows the client's key and decides whether to admit it. [Handshake.Ready]
// admits the client. To refuse it, send an ERROR command ([AppendError]) instead, and close
// the connection. INITIATE and READY also carry the claims of their senders: ZMTP
// properties, which this package neither parses nor checks.
//
// After the handshake, [Client.Binding] and [Handshake.Binding] return 32 bytes that identify
// this connection. A login inside the connection can cover them, so that it is invalid on any
// other.
//
// # Errors
//
// If a command from the peer breaks the rules, the error is a [*ProtocolError]. Close the
// connection without an answer. A Client, Handshake or Opener that has refused a command
// has wiped its keys and refuses everything after it.
//
// In some places this package is stricter than RFC 26 and libzmq. It refuses public keys of
// low order or in a second encoding, HELLO padding and HELLO boxes that are not zero, a
// vouch that names another server, a cookie that was used before, and counters that do not
// increase from each command to the next in the same direction.
//
// # Secrets
//
// Secrets do not print under any verb of fmt, in JSON or in slog. They are overwritten as
// soon as they have served, at the latest by Close. Go may have copied stacks in the
// meantime, so this lowers the odds of a leak and promises no more. A [SecretKey] that you
// pass in stays yours: don't wipe it while it is in use; this package never does.
//
// # Goroutines
//
// Seal and Open encrypt and decrypt messages of 128 KiB and more on several cores, in up to
// GOMAXPROCS goroutines, which end before the call returns. On two cores of an AMD EPYC,
// that seals a message of 1 MiB in 1.4 ms; nacl/box takes 2.0 ms on one. Nothing else in
// this package uses goroutines.
package curve
