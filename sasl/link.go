package sasl

import (
	"context"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Link says what the connection below the exchange is, and what it has proved. The zero
// Link is an unencrypted connection to an unknown peer. Plain data.
type Link struct {
	// Address is the client's IP address, for the server's policy, which counts wrong
	// passwords by address. Not needed on a client.
	Address string
	// Local says that the client has no IP address: it connects by ipc or inproc.
	Local bool
	// Key is the public key that the peer has proved by CURVE, such as zmtp.User.Key; zero
	// without CURVE. Never take it from what the peer says of itself: on a libzmq socket
	// without an authenticator, the property User-Id is the client's own claim.
	Key curve.PublicKey
	// Binding is the channel binding of the CURVE connection, such as zmtp.User.Binding;
	// zero if it is not known, as with libzmq.
	Binding [32]byte
	// Principal is the client's name that another layer has proved, such as TLS. It needs no
	// value on a client.
	Principal string
	// Encrypted says that another layer than CURVE encrypts the connection.
	Encrypted bool
}

// isEncrypted reports whether nobody on the path can read what is sent.
func (l *Link) isEncrypted() bool { return l.Encrypted || l.isCurve() }

// isCurve reports whether the peer has proved a key.
func (l *Link) isCurve() bool { return l.Key != curve.PublicKey{} }

// isBound reports whether SCRAM can be bound to the connection.
func (l *Link) isBound() bool { return l.isCurve() && l.Binding != [32]byte{} }

// Policy decides which clients to admit, says which mechanisms to offer, and keeps verifiers
// of passwords for SCRAM. A *policy.Policy is one. Safe for concurrent use.
type Policy interface {
	zap.Handler
	// Mechanisms returns the mechanisms to offer in a domain, strongest first. encrypted
	// tells whether nobody can read what clients send.
	Mechanisms(domain string, encrypted bool) []string
	// Verifier returns the verifier of an account in a domain, or a decoy if the login is
	// unknown, so that strangers can't tell which logins exist. It returns when ctx is done.
	Verifier(ctx context.Context, domain, login string) (Verifier, error)
}
