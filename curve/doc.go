// Package curve is CurveZMQ (RFC 26): keys and their text form, the handshake
// between a client and a server, and the session that carries their messages.
// It does no I/O: commands go in and come out as octets, and whoever calls
// puts them on a wire (package zmtp does).
//
// # The handshake
//
// Each side has a long-term key pair: the client C and c, the server S and s.
// The client knows S beforehand. For one connection each makes a transient
// pair, C' and c', S' and s', and forgets it afterwards, so that traffic
// recorded today can't be read with long-term keys stolen tomorrow.
//
//	client                                server
//	NewClient                             NewServer
//	Client.Hello          ── HELLO ────►  Server.Welcome
//	Client.HandleWelcome  ◄─ WELCOME ───
//	                      ── INITIATE ─►  Server.Initiate, which gives a Peer
//	Client.HandleReady    ◄─ READY ─────  Peer.Ready
//	Session               ◄─ MESSAGE ──►  Session
//
// HELLO brings C' and proves that its sender knows S. The server makes s',
// locks it with C' into a cookie that only it can open, sends cookie and S'
// back in WELCOME, and forgets everything: a flood of HELLOs costs it time but
// no memory. INITIATE returns the cookie and brings, in a box that no
// onlooker can open, C and the vouch: a box from c to S' that names C' and S.
// So the server knows that the owner of C wants this connection to this
// server, and nobody else can use that proof.
//
// Now the server has a Peer: a client that has proved its key. Whether that
// key may come in is for the caller to decide, who answers with [Peer.Ready]
// or [Peer.Error]; the client learns of the latter through
// [Client.HandleError]. Metadata goes with INITIATE and READY. It is what the
// other side claims; this package carries it and doesn't look.
//
// # Refusals
//
// What breaks the rules is refused with a [*ProtocolError], which names the
// command and wraps one of the sentinel errors. There is no going on after a
// refusal: the connection is to be closed, in silence. A Client that has refused
// a command has wiped its secrets, and a Session the key that it received with.
//
// This package is stricter than the RFC's text or than libzmq in some places.
// It refuses public keys of low order or in a second spelling, HELLO padding
// and HELLO boxes that aren't zero, a vouch that names another server, a
// cookie that was used before, and counters that don't grow from each command
// to the next in the same direction.
//
// # Secrets
//
// Secrets don't print, under any verb of fmt, in JSON or in slog. They are
// overwritten as soon as they have served, at the latest by the Close method
// of whatever holds them. The owner of a Server that may be idle calls
// [Server.Expire] now and then for the same reason. Go may have copied stacks meanwhile, so this lowers
// the odds of a leak and promises no more. A [SecretKey] passed in
// stays the caller's: it must not be wiped while it is in use, and is not
// wiped here.
package curve
