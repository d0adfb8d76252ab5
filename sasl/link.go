package sasl

import (
	"context"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Link describes the connection that carries the exchange, and what it has proved. The zero
// Link is an unencrypted connection to an unknown peer. Plain data.
type Link struct {
	// Address is the client's IP address, without a port. A server needs it, because the policy
	// counts wrong passwords by address. A client does not. On libzmq, it is the property
	// Peer-Address of the frames after the routing id.
	Address string
	// Local is true if the client has no IP address, because it connects by ipc or inproc.
	Local bool
	// Key is the public key that the peer has proved by CURVE, such as zmtp.User.Key; zero
	// without CURVE. Never take it from what the peer itself claims, such as the property
	// User-Id on a libzmq socket without an authenticator.
	Key curve.PublicKey
	// Binding is the channel binding of the CURVE connection, such as zmtp.User.Binding;
	// zero if it is unknown, as with libzmq.
	Binding [32]byte
	// Principal is the client's name that another layer, such as TLS, has proved. On a
	// client, set it to any text to use EXTERNAL there.
	Principal string
	// Encrypted is true if another layer than CURVE, such as TLS, encrypts the connection.
	Encrypted bool
}

// isEncrypted reports whether nobody on the path can read what is sent.
func (l *Link) isEncrypted() bool { return l.Encrypted || l.isCurve() }

// isCurve reports whether the peer has proved a key.
func (l *Link) isCurve() bool { return l.Key != curve.PublicKey{} }

// isBound reports whether SCRAM can be bound to the connection.
func (l *Link) isBound() bool { return l.isCurve() && l.Binding != [32]byte{} }

// Policy decides which clients to admit and which mechanisms to offer, and has the verifiers
// of passwords for SCRAM. A *policy.Policy is one. It must be safe for concurrent use.
type Policy interface {
	zap.Handler
	// Mechanisms returns the mechanisms to offer in a domain, strongest first, over an
	// encrypted or an unencrypted connection.
	Mechanisms(domain string, encrypted bool) []string
	// Verifier returns the verifier of an account in a domain, or a decoy if the login is
	// unknown, so that strangers can't tell which logins exist. It returns early if ctx is
	// done.
	Verifier(ctx context.Context, domain, login string) (Verifier, error)
}
