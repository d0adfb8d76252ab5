package zaptest_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zap/zaptest"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// newPolicy returns a policy that admits the client with one certificate.
func newPolicy(t testing.TB) (*cert.Certificate, zap.Handler) {
	t.Helper()
	alice, store := cert.Generate("alice"), keystore.NewMemory()
	ztest.Must(t, store.Put(&keystore.Identity{Name: "alice", Certificate: alice}))
	p, err := policy.Default(store, policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return alice, p
}

// failing is a test that counts its failures.
type failing struct {
	testing.TB
	failures []string
}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.failures = append(f.failures, "failed") }
func (f *failing) failed() int           { n := len(f.failures); f.failures = nil; return n }

// TestDecisions: Allowed and Refused fail the test if the decision is the opposite, and
// neither treats a failure as a refusal.
func TestDecisions(t *testing.T) {
	t.Parallel()
	alice, p := newPolicy(t)
	known, unknown := zaptest.Curve("payments", alice.Public), zaptest.Curve("payments", curve.GenerateKey().Public())
	if reply := zaptest.Allowed(t, p, known); reply.UserID != "alice" {
		t.Errorf("got %+v", reply)
	}
	zaptest.Refused(t, p, unknown)
	zaptest.Refused(t, p, zaptest.Null("payments"))
	zaptest.Refused(t, p, zaptest.Plain("payments", "alice", "secret"))

	f := &failing{TB: t}
	zaptest.Allowed(f, p, unknown)
	if f.failed() != 1 {
		t.Error("a stranger is allowed")
	}
	zaptest.Refused(f, p, known)
	if f.failed() != 1 {
		t.Error("alice is refused")
	}
	for _, status := range []zap.Status{zap.StatusTryLater, zap.StatusError, 0} {
		broken := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Reply{Status: status} })
		zaptest.Refused(f, broken, unknown)
		zaptest.Allowed(f, broken, unknown)
		if f.failed() != 2 {
			t.Errorf("status %d passes", status)
		}
	}
}

// TestPolicy: a policy has none of the faults that TestHandler looks for.
func TestPolicy(t *testing.T) {
	t.Parallel()
	alice, p := newPolicy(t)
	zaptest.TestHandler(t, p, zaptest.Curve("payments", alice.Public))
}

// TestServe: a server on loopback decides like its handler, and TestHandler finds no
// fault in the handler of package remote that asks it.
func TestServe(t *testing.T) {
	t.Parallel()
	alice, p := newPolicy(t)
	h, err := remote.NewHandler(remote.Options{Wait: ztest.Patience}, zaptest.Serve(t, p))
	ztest.Must(t, err)
	defer h.Close()
	zaptest.Allowed(t, h, zaptest.Curve("payments", alice.Public))
	zaptest.TestHandler(t, h, zaptest.Curve("payments", alice.Public))
}

// TestPipe: each end knows the other, and a message arrives even if it is sent before the
// other end receives.
func TestPipe(t *testing.T) {
	t.Parallel()
	alice, p := newPolicy(t)
	service := cert.Generate("service")
	client, server := zaptest.Pipe(t,
		zmtp.Config{SocketType: "DEALER", Mechanism: zap.Curve, Key: alice.Secret, ServerKey: service.Public},
		zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Curve, Key: service.Secret, Handler: p, Domain: "payments"})
	if id := server.User().ID; id != "alice" {
		t.Errorf("the client is %q", id)
	}
	ztest.Must(t, client.Send(t.Context(), []byte("hello")))
	message, err := server.Recv(t.Context())
	if err != nil || len(message) != 1 || !bytes.Equal(message[0], []byte("hello")) {
		t.Errorf("got %q, %v", message, err)
	}
}

// TestPipeRefused: a handshake that fails ends the test, with the reason.
func TestPipeRefused(t *testing.T) {
	t.Parallel()
	_, p := newPolicy(t)
	service, stranger := cert.Generate("service"), cert.Generate("stranger")
	f := &fatal{TB: t}
	done := make(chan bool)
	go func() {
		defer close(done)
		zaptest.Pipe(f,
			zmtp.Config{SocketType: "DEALER", Mechanism: zap.Curve, Key: stranger.Secret, ServerKey: service.Public},
			zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Curve, Key: service.Secret, Handler: p, Domain: "payments"})
	}()
	ztest.Receive(t, "the end of the test", done)
	if !strings.Contains(f.reason, "400") {
		t.Errorf("got %q", f.reason)
	}
}

// fatal is a test that may end early.
type fatal struct {
	testing.TB
	reason string
}

func (f *fatal) Helper() {}
func (f *fatal) Fatal(args ...any) {
	f.reason = fmt.Sprint(args...)
	runtime.Goexit()
}
