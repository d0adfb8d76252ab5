package zmq4

import (
	"context"
	"crypto/subtle"

	"github.com/zcurve/zcurve/curve"
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

// Security is a security mechanism with its keys, for WithSecurity. It prints without them.
type Security interface {
	// Type returns the name of the mechanism.
	Type() SecurityType

	// role returns whether this side is the server, if that does not depend on who listens.
	role() (server, fixed bool)
	// config sets the mechanism of a connection.
	config(cfg *zmtp.Config)
}

// security is a mechanism whose role is fixed.
type security struct {
	cfg    zmtp.Config
	server bool
}

// CurveServer returns the security of a CURVE server in a ZAP domain. The handler, such as a
// policy or one of package zap/remote, decides which clients to admit. A server may also
// dial.
func CurveServer(key curve.SecretKey, domain string, handler zap.Handler) Security {
	return security{zmtp.Config{Mechanism: zap.Curve, Key: key, Domain: domain, Handler: handler}, true}
}

// CurveClient returns the security of a CURVE client with its own secret key and the
// server's public key.
func CurveClient(key curve.SecretKey, server curve.PublicKey) Security {
	return security{zmtp.Config{Mechanism: zap.Curve, Key: key, ServerKey: server}, false}
}

// PlainServer returns the security of a PLAIN server in a ZAP domain. Passwords cross the
// network unencrypted.
func PlainServer(domain string, handler zap.Handler) Security {
	return security{zmtp.Config{Mechanism: zap.Plain, Domain: domain, Handler: handler}, true}
}

// PlainClient returns the security of a PLAIN client.
func PlainClient(username string, password zap.Password) Security {
	return security{zmtp.Config{Mechanism: zap.Plain, Username: username, Password: password}, false}
}

func (s security) Type() SecurityType { return SecurityType(s.cfg.Mechanism) }
func (s security) role() (bool, bool) { return s.server, true }
func (s security) String() string     { return s.cfg.Mechanism }
func (s security) config(cfg *zmtp.Config) {
	cfg.Mechanism, cfg.Key, cfg.ServerKey = s.cfg.Mechanism, s.cfg.Key, s.cfg.ServerKey
	cfg.Username, cfg.Password = s.cfg.Username, s.cfg.Password
	cfg.Domain, cfg.Handler = s.cfg.Domain, s.cfg.Handler
}

// shared is PLAIN with one user name and password, which a client sends and a server
// requires: the side that listens is the server.
type shared struct{ user, password zap.Password }

// PlainShared returns PLAIN with one user name and password for both sides: the side that
// dials sends them, and the side that listens admits only clients that have them.
func PlainShared(username, password string) Security {
	return shared{zap.NewPassword(username), zap.NewPassword(password)}
}

func (shared) Type() SecurityType { return PlainSecurity }
func (shared) role() (bool, bool) { return false, false }
func (shared) String() string     { return zap.Plain }

func (s shared) config(cfg *zmtp.Config) {
	cfg.Mechanism, cfg.Username, cfg.Password = zap.Plain, s.user.Reveal(), s.password
	cfg.Handler = zap.HandlerFunc(s.handle)
}

func (s shared) handle(_ context.Context, req *zap.Request) zap.Reply {
	username, password, ok := req.PlainLogin()
	same := subtle.ConstantTimeCompare([]byte(username), []byte(s.user.Reveal())) &
		subtle.ConstantTimeCompare(password, []byte(s.password.Reveal()))
	if !ok || same != 1 {
		return zap.Refuse("wrong user name or password")
	}
	return zap.Allow(s.user.Reveal())
}
