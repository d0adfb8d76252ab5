package sasl

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// requests holds what the gate is asked with each mechanism, and the key that it decides about.
var requests = map[string]struct {
	mechanism   string
	credentials [][]byte
	key         curve.PublicKey
}{
	Anonymous:       {mechanism: zap.Null},
	Plain:           {mechanism: zap.Plain, credentials: frames(testLogin, testPassword)},
	External:        {mechanism: zap.Curve, credentials: [][]byte{publicKey(testKey)}, key: testKey.Public()},
	Curve:           {mechanism: zap.Curve, credentials: [][]byte{publicKey(testKey)}, key: testKey.Public()},
	ScramSHA256:     {mechanism: zap.ScramSHA256, credentials: [][]byte{[]byte(testLogin), clientKey()}},
	ScramSHA256Plus: {mechanism: zap.ScramSHA256Plus, credentials: [][]byte{[]byte(testLogin), clientKey(), publicKey(testKey)}, key: testKey.Public()},
}

func publicKey(k curve.SecretKey) []byte { p := k.Public(); return p[:] }

func clientKey() []byte {
	salted := must(saltedPassword(testPassword, verifier.salt, minIterations))
	key := salted.clientKey()
	return key[:]
}

// checkAdmitted reports an error unless both sides of an exchange have succeeded.
func checkAdmitted(t *testing.T, w *wire, c *Client, s *Server, g *gate, mechanism string) {
	t.Helper()
	user, ok := s.User()
	want := User{Mechanism: mechanism, ID: "user of " + requests[mechanism].mechanism, Key: requests[mechanism].key}
	if w.client != nil || w.server != nil || !c.Done() || c.Mechanism() != mechanism || !ok || diff(want, user) != "" {
		t.Errorf("client: %v, server: %v, %v", w.client, w.server, user)
	}
	req := &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: requests[mechanism].mechanism, Credentials: requests[mechanism].credentials}
	if got := g.requests[len(g.requests)-1]; diff(req, got) != "" {
		t.Errorf("the gate was asked about %v with %d credentials", got, len(got.Credentials))
	}
	sealer, opener := c.Layer()
	sealer2, opener2 := s.Layer()
	if layered := mechanism == Curve; (sealer != nil) != layered || (opener != nil) != layered || (sealer2 != nil) != layered || (opener2 != nil) != layered {
		t.Error("there is a security layer where it should not be, or the reverse")
	}
}

// TestEachMechanism: with each mechanism, a client is admitted, is refused, and is admitted after
// it was refused or admitted by each mechanism.
func TestEachMechanism(t *testing.T) {
	t.Parallel()
	for _, first := range strongest {
		for _, second := range strongest {
			t.Run(first+" "+second, func(t *testing.T) {
				t.Parallel()
				g := &gate{refuse: func(*zap.Request) bool { return true }}
				s := newTestServer(t, g)
				c := newTestClient(t, first)
				w := exchange(t, c, s)
				checkRefused(t, w.server, first, zap.StatusRefused)
				checkRefused(t, w.client, first, zap.StatusRefused)
				if _, ok := s.User(); ok || c.Done() || len(g.requests) != 1 {
					t.Errorf("admitted, or asked %d times", len(g.requests))
				}

				g.refuse = nil
				c = newTestClient(t, second)
				w = exchange(t, c, s)
				checkAdmitted(t, w, c, s, g, second)

				c = newTestClient(t, first)
				w = exchange(t, c, s)
				checkAdmitted(t, w, c, s, g, first)
			})
		}
	}
}

// TestSameClientRetries: a client starts again after a refusal.
func TestSameClientRetries(t *testing.T) {
	t.Parallel()
	for _, name := range strongest {
		g := &gate{refuse: func(*zap.Request) bool { return true }}
		s, c := newTestServer(t, g), newTestClient(t, name)
		for range 2 {
			checkRefused(t, exchange(t, c, s).client, name, zap.StatusRefused)
		}
		g.refuse = nil
		checkAdmitted(t, exchange(t, c, s), c, s, g, name)
	}
}

// TestWrongCredentials: each mechanism that proves something refuses a client with wrong
// credentials.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	for _, name := range []string{Plain, ScramSHA256, ScramSHA256Plus} {
		for login, password := range map[string]string{testLogin: "Wonderland", "bob": testPassword} {
			g := new(gate)
			s, cfg := newTestServer(t, g), testConfig(name)
			cfg.Username, cfg.Password = login, zap.NewPassword(password)
			w := exchange(t, newClient(t, cfg), s)
			checkRefused(t, w.server, name, zap.StatusRefused)
			checkRefused(t, w.client, name, zap.StatusRefused)
			if g.admitted > 0 {
				t.Errorf("%s admits %s", name, login)
			}
		}
	}
	cfg := testConfig(Curve)
	cfg.Key = curve.GenerateKey()
	w := exchange(t, newClient(t, cfg), newTestServer(t, new(gate)))
	checkRefused(t, w.client, Curve, zap.StatusRefused)

	s := newTestServer(t, new(gate))
	s.cfg.Link.Key = cfg.Key.Public()
	for _, name := range []string{External, ScramSHA256Plus} {
		checkRefused(t, exchange(t, newTestClient(t, name), s).client, name, zap.StatusRefused)
	}

	// A server with another key than the client expects.
	cfg = testConfig(Curve)
	cfg.ServerKey = curve.GenerateKey().Public()
	w = exchange(t, newClient(t, cfg), newTestServer(t, new(gate)))
	checkError(t, "client", w.client, ErrProtocol)
	checkError(t, "server", w.server, ErrProtocol)
}

// TestPrincipal: without CURVE, EXTERNAL uses what another layer has proved.
func TestPrincipal(t *testing.T) {
	t.Parallel()
	for principal, admitted := range map[string]bool{testLogin: true, "bob": false} {
		g := new(gate)
		s := newTestServer(t, g, External)
		s.cfg.Link = Link{Principal: principal}
		cfg := ClientConfig{Codec: FILEMQ, Link: Link{Principal: "tls"}}
		c := newClient(t, cfg)
		w := exchange(t, c, s)
		if c.Done() != admitted || g.last() != zap.GSSAPI || string(g.requests[0].Credentials[0]) != principal {
			t.Errorf("%s: %v, %v", principal, w.client, w.server)
		}
	}
}

// TestActAsAnother: a client that asks to act as another user is refused, and the gate is not
// asked. It may name itself.
func TestActAsAnother(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, response string
		admitted       bool
	}{
		{Plain, "bob\x00alice\x00wonderland", false},
		{Plain, "alice\x00alice\x00wonderland", true},
		{External, "alice", false},
		{ScramSHA256, "n,a=bob,n=alice,r=nonce", false},
		{ScramSHA256Plus, "p=curvezmq,a=bob,n=alice,r=nonce", false},
	} {
		g := new(gate)
		s := newTestServer(t, g)
		ohai(t, s)
		answer, err := send(t, s, yarly(t, test.name, []byte(test.response)))
		if test.admitted {
			if err != nil || answer.Kind != OHAIOK {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		checkRefused(t, err, test.name, zap.StatusRefused)
		if answer.Kind != SRSLY || len(g.requests) > 0 || g.verifiers > 0 {
			t.Errorf("%s: %v, %v", test.name, answer.Kind, err)
		}
	}
}

// TestSizes: a response with empty or too long fields breaks the protocol, and the gate is not
// asked.
func TestSizes(t *testing.T) {
	t.Parallel()
	longest, longer := strings.Repeat("x", 255), strings.Repeat("x", 256)
	for _, test := range []struct {
		name, response string
		want           error
	}{
		{Anonymous, "", nil},
		{Anonymous, longest, nil},
		{Anonymous, longer, errTrace},
		{Plain, "\x00alice\x00wonderland", nil},
		{Plain, "\x00" + longer + "\x00wonderland", errLoginSize},
		{Plain, "\x00alice\x00" + longer, errLoginSize},
		{Plain, "\x00\x00wonderland", errLoginSize},
		{Plain, "\x00alice\x00", errLoginSize},
		{Plain, "alice\x00wonderland", ErrProtocol},
		{External, "alice\x00", ErrProtocol},
	} {
		g := new(gate)
		s := newTestServer(t, g)
		ohai(t, s)
		_, err := send(t, s, yarly(t, test.name, []byte(test.response)))
		checkError(t, test.name, err, test.want)
		if _, ok := s.User(); ok != (test.want == nil) || len(g.requests) != boolean(ok) || err != nil && !errors.Is(err, ErrProtocol) {
			t.Errorf("%s %q: %v", test.name, test.response, err)
		}
	}
	g := new(gate)
	s := newTestServer(t, g)
	ohai(t, s)
	_, err := send(t, s, yarly(t, Plain, []byte("\x00"+longest+"\x00"+longest)))
	checkRefused(t, err, Plain, zap.StatusRefused)
}

// secure is a policy that offers PLAIN only on an encrypted connection.
type secure struct{ *gate }

func (p secure) Mechanisms(domain string, encrypted bool) []string {
	return slices.DeleteFunc(slices.Clone(p.gate.Mechanisms(domain, encrypted)), func(name string) bool { return name == Plain && !encrypted })
}

// TestLayerIsWiped: a layer that the program has not taken is closed with the exchange.
func TestLayerIsWiped(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Server, *Client){
		"closed": func(s *Server, c *Client) { s.Close(); c.Close() },
		"begun again": func(s *Server, c *Client) {
			message, err := c.Start()
			ztest.Must(t, err)
			s.Handle(t.Context(), message)
		},
	} {
		s, c := newTestServer(t, new(gate)), newTestClient(t, Curve)
		exchange(t, c, s)
		sealers := []*curve.Sealer{s.mechanism.(*curveServer).sealer, c.mechanism.(*curveClient).sealer}
		for _, sealer := range sealers {
			_, err := sealer.Seal(nil, 0, nil)
			ztest.Must(t, err)
		}
		end(s, c)
		for i, sealer := range sealers {
			if _, err := sealer.Seal(nil, 0, nil); err == nil {
				t.Errorf("%s: layer %d still seals", name, i)
			}
		}
	}
}

// TestLayerIsKept: after CURVE, each end's layer opens what the other seals, until the program
// closes it.
func TestLayerIsKept(t *testing.T) {
	t.Parallel()
	s, c := newTestServer(t, new(gate)), newTestClient(t, Curve)
	exchange(t, c, s)
	seal, open := c.Layer()
	sealed, err := seal.Seal(nil, 0, []byte("hello"))
	ztest.Must(t, err)
	seal2, open2 := s.Layer()
	s.Close() // the layer is the program's now
	c.Close()
	text, _, err := open2.Open(nil, sealed)
	if err != nil || !bytes.Equal(text, []byte("hello")) {
		t.Errorf("%q, %v", text, err)
	}
	sealed, err = seal2.Seal(nil, 0, []byte("world"))
	ztest.Must(t, err)
	if text, _, err := open.Open(nil, sealed); err != nil || string(text) != "world" {
		t.Errorf("%q, %v", text, err)
	}
	if a, b := s.Layer(); a != nil || b != nil {
		t.Error("a closed server has a layer")
	}
}
