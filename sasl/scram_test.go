package sasl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// errRefused is a refusal of the gate.
var errRefused = errors.New("refused")

// scramPair returns a server and a client that agree, whose server asks the verifier.
func scramPair(plus bool) (*scramServer, *scramClient) {
	offered := []string{ScramSHA256Plus, ScramSHA256, Plain}
	s := &scramServer{plus: plus, offered: offered, binding: [32]byte{1},
		verifier: func(string) (Verifier, error) { return verifier, nil },
		ask: func(login string, key []byte) error {
			if login == testLogin && verifier.Matches(key) {
				return nil
			}
			return errRefused
		}}
	c := &scramClient{plus: plus, offered: slices.Clone(offered), binding: [32]byte{1},
		username: testLogin, password: zap.NewPassword(testPassword)}
	return s, c
}

// scramExchange runs an exchange, in which change may change message 0 to 3. It returns
// the errors of both sides.
func scramExchange(t *testing.T, s *scramServer, c *scramClient, change func(n int, m []byte) []byte) (server, client error) {
	t.Helper()
	if change == nil {
		change = func(_ int, m []byte) []byte { return m }
	}
	_, m, err := c.Start()
	ztest.Must(t, err)
	for n := 0; n < 4; n += 2 {
		challenge, done, err := s.Next(change(n, m))
		if err != nil || done {
			return err, nil
		}
		if m, err = c.Next(change(n+1, challenge)); err != nil {
			return nil, err
		}
	}
	if len(m) > 0 || !c.verified() {
		t.Errorf("%q, verified %t", m, c.verified())
	}
	challenge, done, err := s.Next(m)
	if len(challenge) > 0 || !done && err == nil {
		t.Errorf("%q, %t, %v", challenge, done, err)
	}
	return err, nil
}

// TestScramRefuses: if the two sides disagree, or someone changed a message, one of them refuses,
// with its own error.
func TestScramRefuses(t *testing.T) {
	t.Parallel()
	replace := func(at int, old, new string) func(int, []byte) []byte {
		return func(n int, m []byte) []byte {
			if n != at {
				return m
			}
			if !strings.Contains(string(m), old) {
				t.Errorf("%q is not in %s", old, m)
			}
			return []byte(strings.Replace(string(m), old, new, 1))
		}
	}
	for _, tt := range []struct {
		name           string
		plus           bool
		setup          func(s *scramServer, c *scramClient)
		change         func(n int, m []byte) []byte
		server, client error
	}{
		{"wrong password", false, func(_ *scramServer, c *scramClient) { c.password = zap.NewPassword("wrong") }, nil, errRefused, nil},
		{"wrong user", false, func(_ *scramServer, c *scramClient) { c.username = "bob" }, nil, errRefused, nil},
		{"decoy", false, func(s *scramServer, _ *scramClient) {
			s.verifier = func(string) (Verifier, error) { return verifier.Decoy([32]byte{}, "x"), nil }
		}, nil, errRefused, nil},
		{"zero verifier", false, func(s *scramServer, _ *scramClient) {
			s.verifier = func(string) (Verifier, error) { return Verifier{}, nil }
		}, nil, errNoVerifier, nil},
		{"gate that admits everyone", false, func(s *scramServer, c *scramClient) {
			s.ask = func(string, []byte) error { return nil }
			c.password = zap.NewPassword("wrong")
		}, nil, errProof, nil},
		{"relayed", true, func(s *scramServer, _ *scramClient) { s.binding[31] ^= 1 }, nil, errBinding, nil},
		{"server without a binding", true, func(s *scramServer, _ *scramClient) { s.binding = [32]byte{} }, nil, errNoBinding, nil},
		{"unbound for PLUS", true, func(_ *scramServer, c *scramClient) { c.plus = false }, nil, errFlag, nil},
		{"bound without PLUS", false, func(_ *scramServer, c *scramClient) { c.plus = true }, nil, errFlag, nil},
		{"binding of TLS", true, nil, replace(0, "p=curvezmq", "p=tls-exporter"), errFlag, nil},
		{"binding asked for on the way", false, nil, replace(0, "n,", "p=curvezmq,"), errFlag, nil},
		{"PLUS stripped", false, func(_ *scramServer, c *scramClient) { c.offered = []string{ScramSHA256, Plain} }, nil, errDowngraded, nil},
		{"PLUS stripped, and the flag changed", false, func(_ *scramServer, c *scramClient) { c.offered = []string{ScramSHA256, Plain} }, replace(0, "y,", "n,"), nil, errOfferHash},
		{"flag changed", false, func(s *scramServer, c *scramClient) {
			s.offered, c.offered = []string{ScramSHA256}, []string{ScramSHA256}
		}, replace(0, "y,", "n,"), errBinding, nil},
		{"PLAIN added", false, func(s *scramServer, _ *scramClient) { s.offered = s.offered[:2] }, nil, nil, errOfferHash},
		{"hash of the offer removed", false, nil, func(n int, m []byte) []byte {
			if n == 1 {
				m = m[:strings.Index(string(m), ",h=")]
			}
			return m
		}, errRefused, nil},
		{"hash of the offer replaced", false, func(_ *scramServer, c *scramClient) { c.offered = c.offered[:2] },
			replace(1, offerHash([]string{ScramSHA256Plus, ScramSHA256, Plain}), offerHash([]string{ScramSHA256Plus, ScramSHA256})), errRefused, nil},
		{"acts as another", false, nil, replace(0, "n,,", "n,a=bob,"), errIdentity, nil},
		{"acts as another, escaped", false, nil, replace(0, "n,,", "n,a=ali=2Cce,"), errIdentity, nil},
		{"acts as itself, on the way", false, nil, replace(0, "n,,", "n,a=alice,"), errBinding, nil},
		{"another user on the way", false, nil, replace(0, "n=alice", "n=bob"), errRefused, nil},
		{"another nonce of the client", false, nil, replace(2, ",r=", ",r=x"), errNonce, nil},
		{"another nonce of the server", false, nil, replace(1, "r=", "r=x"), nil, errNonce},
		{"no nonce of the server", false, nil, func(n int, m []byte) []byte {
			if n == 1 {
				nonce, rest, _ := strings.Cut(string(m), ",")
				m = []byte(nonce[:len(nonce)-24] + "," + rest)
			}
			return m
		}, nil, errNonce},
		{"fewer iterations", false, nil, replace(1, "i=4096", "i=4095"), nil, errIterations},
		{"more iterations", false, nil, replace(1, "i=4096", "i=2000001"), nil, errIterations},
		{"other iterations", false, nil, replace(1, "i=4096", "i=4097"), errRefused, nil},
		{"proof with an extension", false, nil, replace(2, ",p=", ",x=1,p="), errRefused, nil},
		{"signature of another", false, nil, func(n int, m []byte) []byte {
			if n == 3 {
				m = []byte("v=" + encode(make([]byte, 32)))
			}
			return m
		}, nil, errSignature},
	} {
		s, c := scramPair(tt.plus)
		if tt.setup != nil {
			tt.setup(s, c)
		}
		server, client := scramExchange(t, s, c, tt.change)
		if !errors.Is(server, tt.server) || !errors.Is(client, tt.client) || (server == nil) != (tt.server == nil) || (client == nil) != (tt.client == nil) || c.verified() {
			t.Errorf("%s: %v, %v, expected %v, %v", tt.name, server, client, tt.server, tt.client)
		}
		if _, _, err := s.Next(nil); tt.server != nil && err != errStep {
			t.Errorf("%s: the server continues: %v", tt.name, err)
		}
		if _, err := c.Next(nil); err == nil {
			t.Errorf("%s: the client continues", tt.name)
		}
	}
}

// TestScramTamperedUnraced: an exchange in which any bit of a message is changed, or a message is cut
// anywhere, fails at the side that receives it, or at the other.
func TestScramTamperedUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	for _, plus := range []bool{false, true} {
		// What both sides are after their first message, and the client after its last.
		s, c := scramPair(plus)
		_, first, err := c.Start()
		ztest.Must(t, err)
		started := *c
		challenge, _, err := s.Next(first)
		ztest.Must(t, err)
		challenged := *s
		final, err := c.Next(challenge)
		ztest.Must(t, err)
		finished := *c
		signature, _, err := s.Next(final)
		ztest.Must(t, err)

		stride := 1
		if testing.Short() {
			stride = 7 // for what costs an iterated hash
		}
		for _, tt := range []struct {
			name    string
			message []byte
			stride  int
			take    func(m []byte) error
		}{
			{"client-first", first, stride, func(m []byte) error {
				s, _ := scramPair(plus)
				challenge, _, err := s.Next(m)
				if err != nil {
					return err
				}
				c := started
				final, err := c.Next(challenge)
				if err != nil {
					return err
				}
				_, _, err = s.Next(final)
				return err
			}},
			{"server-first", challenge, stride, func(m []byte) error {
				c := started
				final, err := c.Next(m)
				if err != nil {
					return err
				}
				s := challenged
				_, _, err = s.Next(final)
				return err
			}},
			{"client-final", final, 1, func(m []byte) error {
				s := challenged
				_, _, err := s.Next(m)
				return err
			}},
			{"server-final", signature, 1, func(m []byte) error {
				c := finished
				_, err := c.Next(m)
				if c.verified() != (err == nil) {
					t.Errorf("%q: verified %t, %v", m, c.verified(), err)
				}
				return err
			}},
		} {
			size := len(tt.message)
			ztest.Must(t, tt.take(tt.message))
			for at := 0; at < 9*size; at += tt.stride {
				m := slices.Clone(tt.message)
				if at < 8*size {
					m[at/8] ^= 1 << (at % 8)
				} else {
					m = m[:at-8*size]
				}
				if err := tt.take(m); err != errRefused && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrTampered) {
					t.Errorf("%s, bound %t: %q: %v", tt.name, plus, m, err)
				}
			}
		}
	}
}

// TestScramReplay: a proof that a client has sent once does not admit anyone again.
func TestScramReplay(t *testing.T) {
	t.Parallel()
	var recorded [4][]byte
	s, c := scramPair(true)
	scramExchange(t, s, c, func(n int, m []byte) []byte { recorded[n] = m; return m })
	s, _ = scramPair(true)
	_, _, err := s.Next(recorded[0])
	ztest.Must(t, err)
	if _, _, err := s.Next(recorded[2]); !errors.Is(err, errNonce) {
		t.Error(err)
	}
	_, c = scramPair(true)
	_, _, err = c.Start()
	ztest.Must(t, err)
	if _, err := c.Next(recorded[1]); !errors.Is(err, errNonce) {
		t.Error(err)
	}
}

// TestScramSteps: a message out of order breaks the protocol.
func TestScramSteps(t *testing.T) {
	t.Parallel()
	_, unstarted := scramPair(false)
	if _, err := unstarted.Next(nil); !errors.Is(err, errStep) {
		t.Errorf("before Start: %v", err)
	}
	_, unbound := scramPair(true)
	unbound.binding = [32]byte{}
	if _, _, err := unbound.Start(); err != errNoBinding {
		t.Errorf("without a binding: %v", err)
	}
	s, c := scramPair(false)
	server, client := scramExchange(t, s, c, nil)
	ztest.Must(t, server, client)
	if _, _, err := s.Next(nil); !errors.Is(err, errStep) {
		t.Errorf("server after the end: %v", err)
	}
	if _, err := c.Next(nil); !errors.Is(err, errStep) || c.verified() {
		t.Errorf("client after the end: %v", err)
	}
	s, c = scramPair(false)
	_, m, err := c.Start()
	ztest.Must(t, err)
	challenge, _, err := s.Next(m)
	ztest.Must(t, err)
	m, err = c.Next(challenge)
	ztest.Must(t, err)
	_, _, err = s.Next(m)
	ztest.Must(t, err)
	if _, done, err := s.Next([]byte("x")); done || !errors.Is(err, errStep) {
		t.Errorf("data in the last response: %v", err)
	}
}

// TestScramNames: both sides prepare user names.
func TestScramNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, prepared string
		err            error
	}{
		{"alice", "alice", nil},
		{"=,==2C,", "=,==2C,", nil},
		{"al\u00adice", "alice", nil},
		{"\u2168", "IX", nil},
		{strings.Repeat("x", 255), strings.Repeat("x", 255), nil},
		{strings.Repeat("=", 255), strings.Repeat("=", 255), nil},
		{"", "", errUsername},
		{"\u00ad", "", errUsername},
		{"a\x00b", "", errUsername},
		{"a\x7f", "", errUsername},
		{"a\xff", "", errUsername},
		{"\U0001F600", "", errUsername}, // not in Unicode 3.2
		{"\u0627\u0031", "", errUsername},
		{strings.Repeat("x", 256), "", errUsername},
		{strings.Repeat("\ufdfa", 80), "", errUsername}, // 33 bytes each when normalized
	} {
		s, c := scramPair(false)
		var asked string
		s.ask = func(login string, _ []byte) error { asked = login; return nil }
		c.username = tt.name
		_, m, err := c.Start()
		if err != tt.err {
			t.Errorf("%q: %v", tt.name, err)
		}
		if err != nil {
			// Another client would send it.
			if _, _, err := s.Next([]byte("n,,n=" + escapeName.Replace(tt.name) + ",r=nonce")); !errors.Is(err, ErrProtocol) {
				t.Errorf("server: %q: %v", tt.name, err)
			}
			continue
		}
		s.verifier = func(login string) (Verifier, error) {
			if login != tt.prepared {
				t.Errorf("verifier of %q for %q", login, tt.name)
			}
			return verifier, nil
		}
		challenge, _, err := s.Next(m)
		ztest.Must(t, err)
		m, err = c.Next(challenge)
		ztest.Must(t, err)
		if _, _, err := s.Next(m); err != nil || asked != tt.prepared {
			t.Errorf("%q: asked for %q, %v", tt.name, asked, err)
		}
	}
	s, c := scramPair(false)
	if _, _, err := s.Next([]byte("n,a=al=C2=ADice,n=alice,r=nonce")); !errors.Is(err, errEscape) {
		t.Error(err)
	}
	c.password = zap.NewPassword("\U0001F600")
	if _, _, err := c.Start(); err != errPassword {
		t.Error(err)
	}
	s, _ = scramPair(false)
	if _, _, err := s.Next([]byte("n,a=al\u00adice,n=alice,r=nonce")); err != nil {
		t.Errorf("act as oneself: %v", err)
	}
}

// BenchmarkScramServer measures the server's side of a login apart from the policy.
func BenchmarkScramServer(b *testing.B) {
	b.ReportAllocs()
	// The same nonces each time, so that one proof fits all.
	s, c := scramPair(true)
	s.nonce, c.nonce = "server", "client"
	_, first, err := c.Start()
	ztest.Must(b, err)
	challenge, _, err := s.Next(first)
	ztest.Must(b, err)
	final, err := c.Next(challenge)
	ztest.Must(b, err)
	for b.Loop() {
		s, _ := scramPair(true)
		s.nonce = "server"
		_, _, err := s.Next(first)
		ztest.Must(b, err)
		_, _, err = s.Next(final)
		ztest.Must(b, err)
		_, done, err := s.Next(nil)
		ztest.Must(b, err)
		if !done {
			b.Fatal("not done")
		}
	}
}

// BenchmarkNewVerifier measures what each login costs the client, and each new password
// zauth: PBKDF2 with 600,000 iterations.
func BenchmarkNewVerifier(b *testing.B) {
	for b.Loop() {
		_, err := NewVerifier([]byte(testPassword))
		ztest.Must(b, err)
	}
}
