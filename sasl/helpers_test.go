package sasl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// The one account and the keys of the tests.
const (
	testLogin    = "alice"
	testPassword = "wonderland"
)

var (
	testKey    = curve.GenerateKey()
	testServer = curve.GenerateKey()
	testCurve  = must(curve.NewServer(testServer))
	testLink   = Link{Address: "192.0.2.1", Key: testKey.Public(), Binding: [32]byte{1}}
	verifier   = cheapVerifier(testPassword)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// cheapVerifier returns a verifier with the smallest number of iterations.
func cheapVerifier(password string) Verifier {
	return must(derive(password, []byte("0123456789abcdef"), minIterations))
}

// gate is a Policy with one account and one key, which counts what it is asked.
type gate struct {
	offer  []string                       // nil: all
	refuse func(req *zap.Request) bool    // beside wrong credentials
	handle func(ctx context.Context) bool // what to do first; false: no decision

	mu        sync.Mutex
	requests  []*zap.Request
	admitted  int
	verifiers int
}

func (g *gate) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, req)
	if g.handle != nil && !g.handle(ctx) {
		return zap.Reply{}
	}
	if !g.admits(req) || g.refuse != nil && g.refuse(req) {
		return zap.Refuse("no rule admits this client")
	}
	g.admitted++
	return zap.Allow("user of " + req.Mechanism)
}

func (g *gate) admits(req *zap.Request) bool {
	switch req.Mechanism {
	case zap.Null:
		return true
	case zap.Plain:
		login, password, ok := req.PlainLogin()
		return ok && login == testLogin && string(password) == testPassword
	case zap.Curve:
		key, ok := req.CurveKey()
		return ok && key == testKey.Public()
	case zap.GSSAPI:
		name, ok := req.Principal()
		return ok && name == testLogin
	}
	login, clientKey, key, ok := req.ScramLogin()
	return ok && login == testLogin && verifier.Matches(clientKey[:]) &&
		(req.Mechanism == zap.ScramSHA256 || key == testKey.Public())
}

func (g *gate) Mechanisms(string, bool) []string {
	if g.offer == nil {
		return strongest
	}
	return g.offer
}

func (g *gate) Verifier(_ context.Context, _, login string) (Verifier, error) {
	g.verifiers++
	decoy := verifier.Decoy([32]byte{2}, login) // also for those that exist: the same work
	if login == testLogin {
		return verifier, nil
	}
	return decoy, nil
}

// last returns the mechanism of the last request, or "".
func (g *gate) last() string {
	if len(g.requests) == 0 {
		return ""
	}
	return g.requests[len(g.requests)-1].Mechanism
}

// newTestServer returns a server that offers these mechanisms, or all, on a CURVE connection.
func newTestServer(t testing.TB, g *gate, offer ...string) *Server {
	t.Helper()
	s, err := NewServer(ServerConfig{Codec: FILEMQ, Policy: g, Domain: "test", Mechanisms: offer, Link: testLink, Curve: testCurve})
	ztest.Must(t, err)
	t.Cleanup(s.Close)
	return s
}

// testConfig is the configuration of a client that can use all mechanisms.
func testConfig(mechanisms ...string) ClientConfig {
	return ClientConfig{
		Codec: FILEMQ, Mechanisms: mechanisms,
		Username: testLogin, Password: zap.NewPassword(testPassword),
		Key: testKey, ServerKey: testServer.Public(),
		Link: Link{Key: testServer.Public(), Binding: testLink.Binding},
	}
}

// newTestClient returns a client that can use these mechanisms, or all.
func newTestClient(t testing.TB, mechanisms ...string) *Client {
	t.Helper()
	return newClient(t, testConfig(mechanisms...))
}

func newClient(t testing.TB, cfg ClientConfig) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	ztest.Must(t, err)
	t.Cleanup(c.Close)
	return c
}

// wire carries the messages of an exchange, and may change their commands. A command whose
// Kind it sets to 0 is lost.
type wire struct {
	toServer, toClient func(*Command)

	sent, received [][][]byte // by the client
	kinds          []Kind
	client, server error // the last of each side
}

// exchange runs an exchange until neither side has anything to send.
func exchange(t testing.TB, c *Client, s *Server) *wire {
	w := new(wire)
	w.run(t, c, s)
	return w
}

func (w *wire) run(t testing.TB, c *Client, s *Server) {
	t.Helper()
	w.client, w.server = nil, nil
	message, err := c.Start()
	ztest.Must(t, err)
	for range 2 * maxRounds {
		if message = w.pass(t, message, w.toServer); message == nil {
			return
		}
		w.sent = append(w.sent, message)
		if message, err = s.Handle(t.Context(), message); err != nil {
			w.server = err
			checkText(t, err)
		}
		if message = w.pass(t, message, w.toClient); message == nil {
			return
		}
		w.received = append(w.received, message)
		if message, err = c.Handle(message); err != nil {
			w.client = err
			checkText(t, err)
		}
	}
	t.Fatal("the exchange does not end")
}

func (w *wire) pass(t testing.TB, message [][]byte, change func(*Command)) [][]byte {
	t.Helper()
	if message == nil {
		return nil
	}
	c, err := FILEMQ.Parse(message)
	ztest.Must(t, err)
	if change != nil {
		if change(&c); c.Kind == 0 {
			return nil
		}
		message = compose(t, c)
	}
	w.kinds = append(w.kinds, c.Kind)
	return message
}

// compose returns the message of a command.
func compose(t testing.TB, c Command) [][]byte {
	t.Helper()
	message, err := FILEMQ.Message(c)
	ztest.Must(t, err)
	return message
}

// yarly returns the message of a YARLY.
func yarly(t testing.TB, mechanism string, response []byte) [][]byte {
	t.Helper()
	return compose(t, Command{Kind: YARLY, Mechanisms: []string{mechanism}, Data: response})
}

// orly returns the message of an ORLY.
func orly(t testing.TB, challenge []byte, mechanisms ...string) [][]byte {
	t.Helper()
	return compose(t, Command{Kind: ORLY, Mechanisms: mechanisms, Data: challenge})
}

// send hands a message to a server and returns the command that answers it, whose Kind is 0
// without an answer.
func send(t testing.TB, s *Server, message [][]byte) (Command, error) {
	t.Helper()
	reply, err := s.Handle(t.Context(), message)
	checkText(t, err)
	if reply == nil {
		return Command{}, err
	}
	c, failed := s.cfg.Codec.Parse(reply)
	ztest.Must(t, failed)
	return c, err
}

// ohai begins an exchange and returns the mechanisms that are offered.
func ohai(t testing.TB, s *Server) []string {
	t.Helper()
	c, err := send(t, s, compose(t, Command{Kind: OHAI}))
	ztest.Must(t, err)
	if c.Kind != ORLY {
		t.Fatalf("OHAI is answered by %v", c.Kind)
	}
	return c.Mechanisms
}

// checkRefused reports an error unless the server refused the client by decision of the
// handler.
func checkRefused(t testing.TB, err error, mechanism string, status zap.Status) {
	t.Helper()
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || refused.Mechanism != mechanism || refused.Reply.Status != status {
		t.Errorf("%v; must be a refusal of %s with status %d", err, mechanism, status)
	}
}

// checkText reports an error unless the text of err names this package once, in front.
func checkText(t testing.TB, err error) {
	t.Helper()
	if err != nil && strings.LastIndex(err.Error(), "sasl: ") != 0 {
		t.Errorf("malformed text: %v", err)
	}
}

// checkError reports an error unless err is this one.
func checkError(t testing.TB, side string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("%s: got %v, expected %v", side, err, want)
	}
}

// without returns names without one of them.
func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}
