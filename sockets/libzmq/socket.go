package libzmq

import (
	"errors"
	"fmt"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

var (
	// errNoCurve means that libzmq was built without CURVE.
	errNoCurve = errors.New("libzmq: this libzmq was built without CURVE")
	// errNoKey means that there is no secret key.
	errNoKey = errors.New("libzmq: no secret key")
	// errDomain means that a ZAP domain is missing or invalid.
	errDomain = errors.New("libzmq: invalid ZAP domain")
	// errBound means that a socket is bound or connected. libzmq would apply the options
	// to later endpoints only, and leave the existing one open.
	errBound = errors.New("libzmq: the socket is already bound or connected: set its keys first")
)

// SetServer makes a socket a CURVE server in a ZAP domain of 1 to 255 characters of
// printable ASCII. Call it before Bind and Connect.
//
// The server admits the clients that a ZAP handler admits. While no handler is bound in
// the socket's context, it admits no client, and clients retry (ZMQ_ZAP_ENFORCE_DOMAIN,
// RFC 27).
//
// SetServer sets nothing if there is no key, the domain is empty or invalid, the socket
// is bound or connected, or libzmq was built without CURVE. Other errors are libzmq's.
func SetServer(sock *zmq4.Socket, key curve.SecretKey, domain string) error {
	if domain == "" {
		return fmt.Errorf("%w: empty; use a domain that the policy names", errDomain)
	}
	// A request with an invalid domain would never reach the handler.
	if _, err := zap.AppendRequest(nil, nil, &zap.Request{Domain: domain, Mechanism: zap.Null}); err != nil {
		return fmt.Errorf("%w: %w", errDomain, err)
	}
	if err := checkServer(sock, key); err != nil {
		return err
	}
	return set(
		func() error { return enforceDomain(sock) }, // first, so that the domain never admits every client
		func() error { return sock.SetZapDomain(domain) },
		func() error { return sock.SetCurveSecretkey(string(key.AppendZ85(nil))) },
		func() error { return sock.SetCurveServer(1) },
	)
}

// SetServerWithoutAuthentication makes a socket a CURVE server that admits every client
// that knows its public key. Messages are encrypted, but can be from anyone. The server
// never asks a ZAP handler. Call it before Bind and Connect.
//
// It sets nothing if the socket is in a ZAP domain, or in the cases listed for SetServer.
func SetServerWithoutAuthentication(sock *zmq4.Socket, key curve.SecretKey) error {
	if err := checkServer(sock, key); err != nil {
		return err
	}
	domain, err := sock.GetZapDomain()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if domain != "" { // libzmq cannot unset it
		return fmt.Errorf("%w: the socket is in domain %q, where a handler decides", errDomain, domain)
	}
	return set(
		func() error { return enforceDomain(sock) }, // without a domain, it asks no handler
		func() error { return sock.SetCurveSecretkey(string(key.AppendZ85(nil))) },
		func() error { return sock.SetCurveServer(1) },
	)
}

// SetClient makes a socket a CURVE client of the server with this public key. Call it
// before Bind and Connect. To connect to several servers, call it before each Connect,
// with the key of that server.
//
// SetClient sets nothing if there is no key, the server's key is invalid
// (curve.ErrPublicKey), the socket is bound or connected without CURVE, or libzmq was
// built without CURVE. Other errors are libzmq's.
func SetClient(sock *zmq4.Socket, key curve.SecretKey, server curve.PublicKey) error {
	if err := check(key); err != nil {
		return err
	}
	if err := server.Check(); err != nil {
		return fmt.Errorf("libzmq: the server's key: %w", curve.ErrPublicKey)
	}
	mechanism, err := sock.GetMechanism()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if mechanism != zmq4.CURVE { // with CURVE, it may be connected to another server
		if err := checkUnbound(sock); err != nil {
			return err
		}
	}
	return set(
		func() error { return sock.SetCurvePublickey(key.Public().String()) },
		func() error { return sock.SetCurveSecretkey(string(key.AppendZ85(nil))) },
		func() error { return sock.SetCurveServerkey(server.String()) },
	)
}

// checkServer checks the key and the socket before anything is set.
func checkServer(sock *zmq4.Socket, key curve.SecretKey) error {
	if err := check(key); err != nil {
		return err
	}
	return checkUnbound(sock)
}

// checkUnbound returns errBound if a socket is bound or connected.
func checkUnbound(sock *zmq4.Socket) error {
	endpoint, err := sock.GetLastEndpoint()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if endpoint != "" {
		return fmt.Errorf("%w (%s)", errBound, endpoint)
	}
	return nil
}

func check(key curve.SecretKey) error {
	if !zmq4.HasCurve() {
		return errNoCurve
	}
	if key.IsZero() {
		return errNoKey
	}
	return nil
}

// set sets options until one fails.
func set(options ...func() error) error {
	for _, option := range options {
		if err := option(); err != nil {
			return fmt.Errorf("libzmq: setting a socket option failed: %w", err)
		}
	}
	return nil
}
