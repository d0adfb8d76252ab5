package libzmq

import (
	"errors"
	"fmt"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
)

// ErrNoCurve means that libzmq was built without CURVE.
var ErrNoCurve = errors.New("libzmq: this libzmq is built without CURVE")

// Server makes a socket a CURVE server with these keys, in a ZAP domain of at
// most 255 octets; empty is none. Call it before Bind and Connect: libzmq applies it to what
// is bound and connected afterwards.
//
// Nothing is set if the keys don't belong together, which from outside would
// look like a wrong server key: curve.ErrKeyPair and the like.
func Server(sock *zmq4.Socket, keys curve.KeyPair, domain string) error {
	if err := check(keys); err != nil {
		return err
	}
	if len(domain) > 255 {
		return fmt.Errorf("libzmq: domain of %d octets, at most 255", len(domain))
	}
	return set(
		func() error {
			if domain == "" {
				return nil // what a socket has unless it is told otherwise; libzmq refuses to be told
			}
			return sock.SetZapDomain(domain)
		},
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
