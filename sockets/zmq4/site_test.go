package zmq4_test

import (
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// site is a policy with a client that each of its mechanisms admits.
type site struct {
	handler zap.Handler
	client  curve.SecretKey
	server  curve.SecretKey
}

const (
	siteDomain   = "payments"
	siteLogin    = "trader"
	sitePassword = "hunter2"
)

func newSite(t *testing.T) *site {
	t.Helper()
	s := scenario.New(t)
	hash, err := bcrypt.GenerateFromPassword([]byte(sitePassword), bcrypt.MinCost) // quick to check
	ztest.Must(t, err)
	p, err := policy.New(policy.Rules{{
		Name: siteDomain, Anonymous: true,
		Accounts: []policy.Account{{Login: siteLogin, Hash: string(hash)}},
		Curve:    &policy.Curve{Keystores: []string{"dir:" + s.Clients}, Groups: []string{"traders"}},
	}}, policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return &site{p, s.Trader.Secret, curve.GenerateKey()}
}

// setup is how two ends are connected.
type setup struct {
	mechanism, transport string
	weServe, weDial      bool
}

// setups lists the ways to connect one end to another.
func setups() (all []setup) {
	for _, mechanism := range []string{zap.Null, zap.Plain, zap.Curve} {
		for _, transport := range []string{"tcp", "ipc"} {
			for _, weDial := range []bool{false, true} {
				all = append(all, setup{mechanism, transport, false, weDial})
				if mechanism != zap.Null {
					all = append(all, setup{mechanism, transport, true, weDial})
				}
			}
		}
	}
	return all
}

// security returns the mechanism of our end.
func (s *site) security(how setup) zmq4.Security {
	switch {
	case how.mechanism == zap.Plain && how.weServe:
		return zmq4.PlainServer(siteDomain, s.handler)
	case how.mechanism == zap.Plain:
		return zmq4.PlainClient(siteLogin, zap.NewPassword(sitePassword))
	case how.mechanism == zap.Curve && how.weServe:
		return zmq4.CurveServer(s.server, siteDomain, s.handler)
	case how.mechanism == zap.Curve:
		return zmq4.CurveClient(s.client, s.server.Public())
	}
	return nil
}
