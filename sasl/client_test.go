package sasl

import (
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

func TestNewClient(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 256)
	for want, change := range map[string]func(*ClientConfig){
		"sasl: no Codec":                  func(c *ClientConfig) { c.Codec = nil },
		`sasl: unknown mechanism "LOGIN"`: func(c *ClientConfig) { c.Mechanisms = []string{"LOGIN"} },
		errLoginText.Error():              func(c *ClientConfig) { c.Username = long },
		errLoginText.Error() + " ":        func(c *ClientConfig) { c.Username = "a\x00b" },
		errLoginText.Error() + "  ":       func(c *ClientConfig) { c.Password = zap.NewPassword(long) },
		errLoginText.Error() + "   ":      func(c *ClientConfig) { c.Password = zap.NewPassword("a\x00b") },
		"sasl: ServerKey: ":               func(c *ClientConfig) { c.ServerKey = curve.PublicKey{} },
	} {
		cfg := testConfig()
		change(&cfg)
		if _, err := NewClient(cfg); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, expected %s", err, want)
		}
	}
	if _, err := new(Client).Start(); err == nil {
		t.Error("the zero Client starts")
	}
	if _, err := new(Client).Handle(frames("OHAI")); err == nil {
		t.Error("the zero Client answers")
	}
	ztest.CheckHidden(t, newTestClient(t), testPassword)
	ztest.CheckHidden(t, testConfig(), testPassword)
}

// TestUnproved: a client does not accept an OHAI-OK before the server has proved itself, or if the
// server has not asked for its credentials.
func TestUnproved(t *testing.T) {
	t.Parallel()
	for _, name := range []string{ScramSHA256, ScramSHA256Plus, Curve} {
		for step := range 3 { // in place of the first, the second and the third ORLY
			s, c := newTestServer(t, new(gate)), newTestClient(t, name)
			seen := 0
			w := &wire{toClient: func(command *Command) {
				if seen == step {
					*command = Command{Kind: OHAIOK}
				}
				seen++
			}}
			w.run(t, c, s)
			checkError(t, name, w.client, ErrTampered)
			if c.Done() || c.Mechanism() != "" {
				t.Errorf("%s: the client believes OHAI-OK after %d challenges", name, step)
			}
		}
	}
	for _, test := range []struct {
		cfg  ClientConfig
		want error
	}{
		{ClientConfig{Codec: FILEMQ}, nil},
		{ClientConfig{Codec: FILEMQ, Mechanisms: []string{Plain, Anonymous}}, nil},
		{ClientConfig{Codec: FILEMQ, Username: testLogin, InsecurePlain: true}, errUnasked},
		{testConfig(), errUnasked},
		{testConfig(Plain), errUnasked},
		{ClientConfig{Codec: FILEMQ, Link: testLink}, errUnasked},
		{ClientConfig{Codec: FILEMQ, Mechanisms: []string{}}, errUnasked},
	} {
		c := newClient(t, test.cfg)
		_, err := c.Start()
		ztest.Must(t, err)
		_, err = c.Handle(compose(t, Command{Kind: OHAIOK}))
		checkError(t, "client", err, test.want)
		if c.Done() != (test.want == nil) {
			t.Error("Done is wrong")
		}
	}
}

// TestServerNeverStops: a client gives up if a server sends one challenge after another.
func TestServerNeverStops(t *testing.T) {
	t.Parallel()
	for _, name := range strongest {
		c := newTestClient(t, name)
		_, err := c.Start()
		ztest.Must(t, err)
		_, err = c.Handle(orly(t, nil, name))
		for range maxRounds {
			if err != nil {
				break
			}
			_, err = c.Handle(orly(t, []byte("more"), name))
		}
		checkError(t, name, err, ErrProtocol)
	}
	c := newTestClient(t, Plain)
	_, err := c.Start()
	ztest.Must(t, err)
	c.state, c.name, c.mechanism = exchanging, Plain, endlessClient{}
	for range maxRounds {
		reply, err := c.Handle(orly(t, nil, Plain))
		if err != nil || reply == nil {
			t.Fatalf("%q, %v", reply, err)
		}
	}
	_, err = c.Handle(orly(t, nil, Plain))
	checkError(t, "client", err, ErrProtocol)
}

type endlessClient struct{}

func (endlessClient) Start() (string, []byte, error) { return Plain, nil, nil }
func (endlessClient) Next(c []byte) ([]byte, error)  { return c, nil }

// TestServerBreaksProtocol: an unexpected message ends a client's exchange, and the client can
// start again.
func TestServerBreaksProtocol(t *testing.T) {
	t.Parallel()
	for name, message := range map[string][][]byte{
		"OHAI":                compose(t, Command{Kind: OHAI}),
		"YARLY":               yarly(t, ScramSHA256, nil),
		"malformed":           frames("\xAA\xA3\x02"),
		"RTFM":                compose(t, Command{Kind: RTFM, Reason: "read it"}),
		"another mechanism":   orly(t, nil, Plain),
		"malformed challenge": orly(t, []byte("r=x"), ScramSHA256),
		"few iterations":      orly(t, []byte("r=x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=1"), ScramSHA256),
		"many iterations":     orly(t, []byte("r=x,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=2000000000"), ScramSHA256),
	} {
		c := newTestClient(t, ScramSHA256)
		_, err := c.Start()
		ztest.Must(t, err)
		_, err = c.Handle(orly(t, nil, ScramSHA256))
		ztest.Must(t, err)
		reply, err := c.Handle(message)
		if checkError(t, name, err, ErrProtocol); reply != nil || c.Done() || c.Mechanism() != "" {
			t.Errorf("%s: %q", name, reply)
		}
		if _, err := c.Handle(orly(t, nil, ScramSHA256)); err == nil {
			t.Errorf("%s: the client goes on without a start", name)
		}
		if w := exchange(t, c, newTestServer(t, new(gate))); w.client != nil || !c.Done() {
			t.Errorf("%s: the client cannot start again: %v", name, w.client)
		}
	}
}

// TestNoMechanism: a client that can use none of the offered mechanisms says why, for each.
func TestNoMechanism(t *testing.T) {
	t.Parallel()
	c := newClient(t, ClientConfig{Codec: FILEMQ, Username: testLogin, Password: zap.NewPassword(testPassword)})
	_, err := c.Start()
	ztest.Must(t, err)
	_, err = c.Handle(orly(t, nil, Plain, Curve))
	const want = "sasl: no mechanism to use: the server offers PLAIN, CURVE; " +
		"CURVE needs a key, SCRAM-SHA-256 is not offered, PLAIN needs an encrypted connection"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if errors.Is(err, ErrProtocol) || errors.Is(err, ErrTampered) {
		t.Error("the server is blamed")
	}
}

// TestInsecurePlain: a password crosses an unencrypted connection only if the program says so.
func TestInsecurePlain(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{false, true} {
		s, c := newTestServer(t, new(gate), Plain), newClient(t, ClientConfig{
			Codec: FILEMQ, Mechanisms: []string{Plain}, Username: testLogin, Password: zap.NewPassword(testPassword), InsecurePlain: insecure,
		})
		w := exchange(t, c, s)
		if c.Done() != insecure || len(w.sent) != 1 && !insecure {
			t.Errorf("%v: %v", insecure, w.client)
		}
	}
}
