package zmq4

import (
	"fmt"
	"io"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/zmq4/internal/native"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// SecurityType is the name of a security mechanism.
type SecurityType string

// The security mechanisms.
const (
	NullSecurity  SecurityType = "NULL"
	PlainSecurity SecurityType = "PLAIN"
	CurveSecurity SecurityType = "CURVE"
)

// Security is a security mechanism with its keys, for WithSecurity. CurveServer,
// CurveClient, PlainServer, PlainClient and packages security/null and security/plain return
// those that package zmtp performs; WithSecurity needs only their Type.
//
// A Security of another package performs its handshake on a Conn. One value serves all
// connections of a socket, at the same time. It must not keep or change data that it gets.
type Security interface {
	// Type returns the name of the mechanism, at most 20 bytes.
	Type() SecurityType
	// Handshake performs the handshake, and sets conn.Peer.Meta to the metadata of the
	// peer. server says whether this side is the one that listens.
	Handshake(conn *Conn, server bool) error
	// Encrypt writes the encrypted form of a frame to w. It is called for each frame in the
	// order in which they are sent, including those of commands and of the handshake.
	Encrypt(w io.Writer, data []byte) (int, error)
	// Decrypt writes the decrypted form of a received frame to w.
	Decrypt(w io.Writer, data []byte) (int, error)
}

// security is a mechanism that works with sockets only.
type security struct {
	cfg  zmtp.Config
	role native.Role
}

// CurveServer returns the security of a CURVE server in a ZAP domain. The handler, such as a
// policy or one of package zap/remote, decides which clients to admit. A server may also
// dial.
func CurveServer(key curve.SecretKey, domain string, handler zap.Handler) Security {
	return security{zmtp.Config{Mechanism: zap.Curve, Key: key, Domain: domain, Handler: handler}, native.Server}
}

// CurveClient returns the security of a CURVE client with its own secret key and the
// server's public key.
func CurveClient(key curve.SecretKey, server curve.PublicKey) Security {
	return security{zmtp.Config{Mechanism: zap.Curve, Key: key, ServerKey: server}, native.Client}
}

// PlainServer returns the security of a PLAIN server in a ZAP domain. Passwords cross the
// network unencrypted.
func PlainServer(domain string, handler zap.Handler) Security {
	return security{zmtp.Config{Mechanism: zap.Plain, Domain: domain, Handler: handler}, native.Server}
}

// PlainClient returns the security of a PLAIN client.
func PlainClient(username string, password zap.Password) Security {
	return security{zmtp.Config{Mechanism: zap.Plain, Username: username, Password: password}, native.Client}
}

func (s security) Type() SecurityType { return SecurityType(s.cfg.Mechanism) }
func (s security) String() string     { return s.cfg.Mechanism }

// Native sets the mechanism of a connection.
func (s security) Native(cfg *zmtp.Config) native.Role {
	cfg.Mechanism, cfg.Key, cfg.ServerKey = s.cfg.Mechanism, s.cfg.Key, s.cfg.ServerKey
	cfg.Username, cfg.Password = s.cfg.Username, s.cfg.Password
	cfg.Domain, cfg.Handler = s.cfg.Domain, s.cfg.Handler
	return s.role
}

func (s security) Handshake(*Conn, bool) error            { return s.onlySockets() }
func (s security) Encrypt(io.Writer, []byte) (int, error) { return 0, s.onlySockets() }
func (s security) Decrypt(io.Writer, []byte) (int, error) { return 0, s.onlySockets() }
func (s security) onlySockets() error {
	return fmt.Errorf("zmq4: a Conn cannot carry this %s mechanism: give it to WithSecurity as it is", s.cfg.Mechanism)
}
