package libzmq

import (
	"errors"
	"fmt"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

var (
	// ErrNoCurve means that libzmq was built without CURVE.
	ErrNoCurve = errors.New("libzmq: this libzmq is built without CURVE")
	// ErrDomain means that a ZAP domain can't stand in a request: it is longer
	// than 255 octets, or not printable ASCII.
	ErrDomain = errors.New("libzmq: unusable ZAP domain")
)

// Server makes a socket a CURVE server with these keys, in a ZAP domain. Call it
// before Bind and Connect: libzmq applies it to what is bound and connected
// afterwards.
//
// In a domain, clients are let in by a ZAP handler only; as long as none is
// bound in the socket's context, they wait and try again. With an empty domain
// the handler is asked too, but while there is none libzmq lets in every
// client: that is encryption without authentication.
//
// Nothing is set if the keys don't belong together, which from outside would
// look like a wrong server key: curve.ErrKeyPair and the like; nor with ErrDomain
// or ErrNoCurve. Other errors are libzmq's.
func Server(sock *zmq4.Socket, keys curve.KeyPair, domain string) error {
	if err := check(keys); err != nil {
		return err
	}
	// A request with another domain would be malformed: nobody would get in.
	if _, err := zap.AppendRequest(nil, zap.Envelope{}, &zap.Request{Domain: domain, Mechanism: zap.MechanismNull}); err != nil {
		return fmt.Errorf("%w: %w", ErrDomain, err)
	}
	if domain != "" { // none is what a socket has; libzmq refuses to be told
		if err := set(
			func() error { return sock.SetZapDomain(domain) },
			func() error { return enforceDomain(sock) },
		); err != nil {
			return err
		}
	}
	return set(
		func() error { return sock.SetCurveSecretkey(keys.Secret.Z85()) },
		func() error { return sock.SetCurveServer(1) },
	)
}

// Client makes a socket a CURVE client with these keys, of the server with that
// public key. Call it before Bind and Connect. Nothing is set if the keys don't
// belong together or the server's is unusable: curve.ErrKeyPair,
// curve.ErrPublicKey and the like.
func Client(sock *zmq4.Socket, keys curve.KeyPair, server curve.PublicKey) error {
	if err := check(keys); err != nil {
		return err
	}
	if err := server.Check(); err != nil {
		return fmt.Errorf("libzmq: the server's key: %w", err)
	}
	return set(
		func() error { return sock.SetCurvePublickey(keys.Public.String()) },
		func() error { return sock.SetCurveSecretkey(keys.Secret.Z85()) },
		func() error { return sock.SetCurveServerkey(server.String()) },
	)
}

func check(keys curve.KeyPair) error {
	if !zmq4.HasCurve() {
		return ErrNoCurve
	}
	if err := keys.Check(); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	return nil
}

// set applies options until one fails.
func set(options ...func() error) error {
	for _, option := range options {
		if err := option(); err != nil {
			return fmt.Errorf("libzmq: setting a socket option failed: %w", err)
		}
	}
	return nil
}
