package sasl

import (
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// ranking is this test's own order of the mechanisms, strongest first.
const ranking = "SCRAM-SHA-256-PLUS CURVE EXTERNAL SCRAM-SHA-256 PLAIN ANONYMOUS"

// subsets returns all subsets of the mechanisms, strongest first.
func subsets() (all [][]string) {
	names := strings.Fields(ranking)
	for bits := range 1 << len(names) {
		subset := []string{}
		for i, name := range names {
			if bits>>i&1 == 1 {
				subset = append(subset, name)
			}
		}
		all = append(all, subset)
	}
	return all
}

// chosen returns what a client chooses of an offer.
func chosen(t *testing.T, c *Client, offer []string) string {
	t.Helper()
	_, err := c.Start()
	ztest.Must(t, err)
	reply, err := c.Handle(orly(t, nil, offer...))
	if (err == nil) != (reply != nil) || (err == nil) != (c.Mechanism() != "") {
		t.Errorf("%v, %v, %q", reply, err, c.Mechanism())
	}
	if err != nil {
		return ""
	}
	return c.Mechanism()
}

// TestChoiceUnraced: for every pair of lists, in either order, the client uses the first mechanism of its
// list that the server offers.
func TestChoiceUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	for _, mine := range subsets() {
		for range 2 {
			slices.Reverse(mine)
			c := newTestClient(t, append([]string{}, mine...)...)
			for _, offer := range subsets()[1:] {
				first := ""
				for _, name := range slices.Backward(mine) {
					if strings.Contains(" "+strings.Join(offer, " ")+" ", " "+name+" ") {
						first = name
					}
				}
				if got := chosen(t, c, offer); got != first {
					t.Errorf("of %v offered, a client of %v chooses %q", offer, mine, got)
				}
				slices.Reverse(offer)
				if got := chosen(t, c, offer); got != first {
					t.Errorf("of %v offered, a client of %v chooses %q", offer, mine, got)
				}
			}
		}
	}
}

// TestDefaultChoiceUnraced: without a list, a client uses the strongest offered mechanism that it has the
// credentials for.
func TestDefaultChoiceUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	for bits := range 1 << 6 {
		has := func(bit int) bool { return bits>>bit&1 == 1 }
		password, key, link, bound, encrypted, insecure := has(0), has(1), has(2), has(3), has(4), has(5)
		cfg := ClientConfig{Codec: FILEMQ, InsecurePlain: insecure}
		if password {
			cfg.Username, cfg.Password = testLogin, zap.NewPassword(testPassword)
		}
		if key {
			cfg.Key, cfg.ServerKey = testKey, testServer.Public()
		}
		if link {
			cfg.Link.Key = testServer.Public()
		}
		if bound {
			cfg.Link.Binding = testLink.Binding
		}
		cfg.Link.Encrypted = encrypted
		able := map[string]bool{
			"SCRAM-SHA-256-PLUS": password && link && bound,
			"CURVE":              key,
			"EXTERNAL":           link,
			"SCRAM-SHA-256":      password,
			"PLAIN":              password && (link || encrypted || insecure),
			"ANONYMOUS":          !password && !key && !link,
		}
		c := newClient(t, cfg)
		for _, offer := range subsets()[1:] {
			want := ""
			for _, name := range strings.Fields(ranking) {
				if want == "" && able[name] && slices.Contains(offer, name) {
					want = name
				}
			}
			if !link && slices.Contains(offer, "SCRAM-SHA-256-PLUS") {
				want = "" // the server speaks with someone else, on a CURVE connection
			}
			if got := chosen(t, c, offer); got != want {
				t.Errorf("%06b: of %v the client chooses %q, not %q", bits, offer, got, want)
			}
		}
	}
}

// TestOffer: a server offers the mechanisms that its policy offers and that its connection and
// configuration allow, in its own order.
func TestOffer(t *testing.T) {
	t.Parallel()
	noBinding := testLink
	noBinding.Binding = [32]byte{}
	for _, test := range []struct {
		name    string
		policy  []string // nil: all
		own     []string
		link    Link
		noCurve bool
		want    []string
	}{
		{name: "all", link: testLink, want: strongest},
		{name: "own order", own: []string{Plain, Curve}, link: testLink, want: []string{Plain, Curve}},
		{name: "not the policy's", policy: []string{ScramSHA256}, own: []string{Plain, ScramSHA256}, link: testLink, want: []string{ScramSHA256}},
		{name: "unknown to this package", policy: []string{"DIGEST-MD5", Plain}, link: testLink, want: []string{Plain}},
		{name: "no connection", want: []string{Curve, ScramSHA256, Plain, Anonymous}},
		{name: "no key", noCurve: true, link: Link{Encrypted: true}, want: []string{ScramSHA256, Plain, Anonymous}},
		{name: "no binding", link: noBinding, want: []string{Curve, External, ScramSHA256, Plain, Anonymous}},
		{name: "principal", link: Link{Principal: testLogin}, want: []string{Curve, External, ScramSHA256, Plain, Anonymous}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := ServerConfig{Codec: FILEMQ, Policy: &gate{offer: test.policy}, Mechanisms: test.own, Link: test.link}
			cfg.Link.Local = cfg.Link.Address == ""
			if !test.noCurve {
				cfg.Curve = testCurve
			}
			s, err := NewServer(cfg)
			ztest.Must(t, err)
			if got := ohai(t, s); !slices.Equal(got, test.want) {
				t.Errorf("offers %v", got)
			}
		})
	}
}

// TestNothingToOffer: a client is refused if there is nothing to offer, and the log says what
// each mechanism lacks.
func TestNothingToOffer(t *testing.T) {
	t.Parallel()
	s, c := newTestServer(t, &gate{offer: []string{}}), newTestClient(t)
	w := exchange(t, c, s)
	checkRefused(t, w.server, "", zap.StatusRefused)
	checkRefused(t, w.client, "", zap.StatusRefused)

	for want, cfg := range map[string]ServerConfig{
		`the policy has none for the domain "elsewhere"`: {Policy: &gate{offer: []string{}}, Domain: "elsewhere"},
		"SCRAM-SHA-256-PLUS needs the channel binding of a CURVE connection, CURVE needs the server's key, EXTERNAL needs a connection that proves the client, " +
			"PLAIN needs an encrypted connection, or the policy's sasl must name it": {Policy: secure{&gate{offer: []string{ScramSHA256Plus, Curve, External, Plain}}}},
		"PLAIN needs an encrypted connection": {Handler: new(gate), Mechanisms: []string{Plain}},
	} {
		cfg.Codec, cfg.Link.Local = FILEMQ, true
		s, err := NewServer(cfg)
		ztest.Must(t, err)
		_, err = s.Handle(t.Context(), compose(t, Command{Kind: OHAI}))
		if want = "sasl: refused: 400 no mechanism to offer on this connection: " + want; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
