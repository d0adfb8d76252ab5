package zaptest_test

import (
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/zaptest"
	"github.com/zcurve/zcurve/zmtp"
)

// A test of a program that uses a policy: which clients are admitted, and with which user
// ids.
func Example() {
	test := func(t *testing.T) {
		alice, stranger, service := cert.Generate("alice"), cert.Generate("stranger"), cert.Generate("service")
		store := keystore.NewMemory()
		if err := store.Put(&keystore.Identity{Name: "alice", Certificate: alice}); err != nil {
			t.Fatal(err)
		}
		p, err := policy.Default(store, policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()

		zaptest.Allowed(t, p, zaptest.Curve("payments", alice.Public))
		zaptest.Refused(t, p, zaptest.Curve("payments", stranger.Public))

		_, conn := zaptest.Pipe(t,
			zmtp.Config{SocketType: "REQ", Mechanism: zap.Curve, Key: alice.Secret, ServerKey: service.Public},
			zmtp.Config{SocketType: "REP", Mechanism: zap.Curve, Key: service.Secret, Handler: p, Domain: "payments"})
		if conn.User().ID != "alice" {
			t.Errorf("the client is %s", conn.User().ID)
		}
	}
	_ = test // called by go test
}

// A test of a handler.
func ExampleTestHandler() {
	test := func(t *testing.T, handler zap.Handler) {
		// Pass a login that the handler admits, to make the test stricter.
		zaptest.TestHandler(t, handler, zaptest.Plain("payments", "alice", "her password"))
	}
	_ = test // called by go test
}
