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
	// ErrDomain means that a ZAP domain is missing or invalid.
	ErrDomain = errors.New("libzmq: invalid ZAP domain")
	// ErrBound means that a socket is bound or connected already. libzmq
	// would apply the options to later endpoints only, and leave that one open.
	ErrBound = errors.New("libzmq: the socket is bound or connected already: secure it first")
)

// Server makes a socket a CURVE server with these keys, in a ZAP domain of 1 to 255
// printable ASCII characters. Call it before Bind and Connect.
//
// Only clients that a ZAP handler admits get in. While no handler is bound in the
// socket's context, because it is missing, late or gone, nobody gets in and clients
// retry (ZMQ_ZAP_ENFORCE_DOMAIN, RFC 27).
//
// Nothing is set if the error is ErrDomain, ErrBound, ErrNoCurve, or that there is no key.
// Other errors are libzmq's.
func Server(sock *zmq4.Socket, keys curve.SecretKey, domain string) error {
	if domain == "" {
		return fmt.Errorf("%w: it is empty: name one, as the policy does", ErrDomain)
	}
	// A request with another domain would be malformed: nobody would get in.
	if _, err := zap.AppendRequest(nil, nil, &zap.Request{Domain: domain, Mechanism: zap.Null}); err != nil {
		return fmt.Errorf("%w: %w", ErrDomain, err)
	}
	if err := checkServer(sock, keys); err != nil {
		return err
	}
	return set(
		func() error { return enforceDomain(sock) }, // first: without it a domain is open
		func() error { return sock.SetZapDomain(domain) },
		func() error { return sock.SetCurveSecretkey(string(keys.AppendZ85(nil))) },
		func() error { return sock.SetCurveServer(1) },
	)
}

// ServerWithoutAuthentication makes a socket a CURVE server that admits every client
// that knows its public key: what they send is encrypted, but it can be from anybody.
// No ZAP handler is asked, even if there is one. Call it before Bind and Connect.
//
// The errors are those of Server. ErrDomain means that the socket has a ZAP domain.
func ServerWithoutAuthentication(sock *zmq4.Socket, keys curve.SecretKey) error {
	if err := checkServer(sock, keys); err != nil {
		return err
	}
	domain, err := sock.GetZapDomain()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if domain != "" { // libzmq can't take it back
		return fmt.Errorf("%w: the socket is in domain %q, where a handler decides", ErrDomain, domain)
	}
	return set(
		func() error { return enforceDomain(sock) }, // without a domain: asks nobody
		func() error { return sock.SetCurveSecretkey(string(keys.AppendZ85(nil))) },
		func() error { return sock.SetCurveServer(1) },
	)
}

// Client makes a socket a CURVE client with these keys, of the server with that
// public key. Call it before Bind and Connect; and again before each Connect to
// another server, with the key of that one.
//
// Nothing is set if the error is ErrBound, because the socket is bound or connected
// already without CURVE; ErrNoCurve; curve.ErrPublicKey, for the server's key; or
// that there is no key.
func Client(sock *zmq4.Socket, keys curve.SecretKey, server curve.PublicKey) error {
	if err := check(keys); err != nil {
		return err
	}
	if err := server.Check(); err != nil {
		return fmt.Errorf("libzmq: the server's key: %w", err)
	}
	mechanism, err := sock.GetMechanism()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if mechanism != zmq4.CURVE { // else it may be one of several servers
		if err := checkUnbound(sock); err != nil {
			return err
		}
	}
	return set(
		func() error { return sock.SetCurvePublickey(keys.Public().String()) },
		func() error { return sock.SetCurveSecretkey(string(keys.AppendZ85(nil))) },
		func() error { return sock.SetCurveServerkey(server.String()) },
	)
}

// checkServer checks what a server needs, before anything is set.
func checkServer(sock *zmq4.Socket, keys curve.SecretKey) error {
	if err := check(keys); err != nil {
		return err
	}
	return checkUnbound(sock)
}

// checkUnbound returns ErrBound for a socket that is bound or connected.
func checkUnbound(sock *zmq4.Socket) error {
	endpoint, err := sock.GetLastEndpoint()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if endpoint != "" {
		return fmt.Errorf("%w (%s)", ErrBound, endpoint)
	}
	return nil
}

func check(keys curve.SecretKey) error {
	if !zmq4.HasCurve() {
		return ErrNoCurve
	}
	if keys.IsZero() {
		return errors.New("libzmq: no secret key")
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
