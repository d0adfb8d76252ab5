// Package plain provides ZeroMQ's mechanism PLAIN (RFC 24) with one user name and password,
// which cross the network unencrypted. For a server that knows many users, see
// zmq4.PlainServer.
package plain

import (
	"context"
	"crypto/subtle"
	"io"

	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/internal/native"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

type security struct{ user, password zap.Password }

// Security returns the mechanism PLAIN with one user name and password, at most 255 bytes
// each, for both sides. The side that dials sends them. The side that listens admits only
// clients that send the same. It prints without them. Safe for concurrent use, by any
// number of sockets.
func Security(user, pass string) zmq4.Security {
	return security{zap.NewPassword(user), zap.NewPassword(pass)}
}

func (security) Type() zmq4.SecurityType { return zmq4.PlainSecurity }
func (security) String() string          { return zap.Plain }

func (security) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (security) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }

func (s security) Native(cfg *zmtp.Config) native.Role {
	cfg.Mechanism, cfg.Username, cfg.Password = zap.Plain, s.user.Reveal(), s.password
	cfg.Handler = zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		user, password, ok := req.PlainLogin()
		if !ok || !s.admits([]byte(user), password) {
			return zap.Refuse("wrong user name or password")
		}
		return zap.Allow(user)
	})
	return native.Listens
}

func (s security) admits(user, password []byte) bool {
	return subtle.ConstantTimeCompare(user, []byte(s.user.Reveal()))&
		subtle.ConstantTimeCompare(password, []byte(s.password.Reveal())) == 1
}
