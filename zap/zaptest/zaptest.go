// Package zaptest helps to test programs that use a policy or their own zap.Handler. It
// makes requests, checks decisions, and runs servers on loopback:
//
//	p, err := policy.Default(store, policy.Options{})
//	…
//	reply := zaptest.Allowed(t, p, zaptest.Curve("payments", alice.Public))
//	zaptest.Refused(t, p, zaptest.Curve("payments", stranger.Public))
//
// [TestHandler] looks for faults that handlers commonly have. [Serve] runs a ZAP server,
// as zauth does, and [Pipe] connects a client and a server.
package zaptest

import (
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Null returns the request of a NULL client from 127.0.0.1. To use another address, set
// its Address.
func Null(domain string) *zap.Request { return request(domain, zap.Null) }

// Plain returns the request of a PLAIN client from 127.0.0.1.
func Plain(domain, username, password string) *zap.Request {
	return request(domain, zap.Plain, username, password)
}

// Curve returns the request of a CURVE client from 127.0.0.1.
func Curve(domain string, key curve.PublicKey) *zap.Request {
	return request(domain, zap.Curve, string(key[:]))
}

func request(domain, mechanism string, credentials ...string) *zap.Request {
	req := &zap.Request{Domain: domain, Address: "127.0.0.1", Mechanism: mechanism}
	for _, c := range credentials {
		req.Credentials = append(req.Credentials, []byte(c))
	}
	return req
}

// Allowed asks a handler and returns its reply. The test fails if the handler does not
// admit the client.
func Allowed(t testing.TB, h zap.Handler, req *zap.Request) zap.Reply {
	t.Helper()
	return expect(t, h, req, zap.StatusOK)
}

// Refused asks a handler and returns its reply. The test fails unless the reply has
// StatusRefused: also if the handler fails or does not decide.
func Refused(t testing.TB, h zap.Handler, req *zap.Request) zap.Reply {
	t.Helper()
	return expect(t, h, req, zap.StatusRefused)
}

func expect(t testing.TB, h zap.Handler, req *zap.Request, status zap.Status) zap.Reply {
	t.Helper()
	reply, err := zap.Ask(t.Context(), h, clone(req))
	if err != nil {
		t.Errorf("the handler failed: %v", err)
	} else if reply.Status != status {
		t.Errorf("%v: got status %d (%s) by rule %q, expected %d", req, reply.Status, reply.Text, reply.Rule, status)
	}
	return reply
}

// clone returns a copy that shares no memory with the request.
func clone(req *zap.Request) *zap.Request {
	c := *req
	c.RoutingID = append([]byte(nil), req.RoutingID...)
	c.Credentials = make([][]byte, len(req.Credentials))
	for i, credential := range req.Credentials {
		c.Credentials[i] = append([]byte(nil), credential...)
	}
	return &c
}
