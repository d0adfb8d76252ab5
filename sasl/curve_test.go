package sasl

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

var curveOffer = []string{Curve, ScramSHA256, Anonymous}

// curvePair is both halves of an exchange that is about to begin.
type curvePair struct {
	client *curveClient
	server *curveServer
	asked  []curve.PublicKey // by the server
}

func newCurvePair(t testing.TB) *curvePair {
	t.Helper()
	keys := curve.GenerateKey()
	server, err := curve.NewServer(keys)
	ztest.Must(t, err)
	now := time.Now()
	server.Clock = func() time.Time { return now } // cookies don't expire
	p := &curvePair{
		client: &curveClient{key: curve.GenerateKey(), server: keys.Public(), offered: curveOffer},
	}
	p.server = p.newServer(server)
	return p
}

// newServer returns another server with the same key.
func (p *curvePair) newServer(server *curve.Server) *curveServer {
	return &curveServer{server: server, offered: curveOffer, ask: func(key curve.PublicKey) error {
		p.asked = append(p.asked, key)
		return nil
	}}
}

// again returns another server with the same key that has sent a WELCOME.
func (p *curvePair) again(t testing.TB) *curveServer {
	t.Helper()
	client := &curveClient{key: p.client.key, server: p.client.server, offered: curveOffer}
	server := p.newServer(p.server.server)
	_, hello, err := client.Start()
	ztest.Must(t, err)
	_, _, err = server.Next(hello)
	ztest.Must(t, err)
	return server
}

// toWelcome takes the exchange as far as WELCOME.
func (p *curvePair) toWelcome(t testing.TB) (hello, welcome []byte) {
	t.Helper()
	name, hello, err := p.client.Start()
	ztest.Must(t, err)
	welcome, done, err := p.server.Next(hello)
	ztest.Must(t, err)
	if name != Curve || done {
		t.Fatalf("mechanism %s, done: %v", name, done)
	}
	return hello, welcome
}

// toInitiate takes the exchange as far as INITIATE.
func (p *curvePair) toInitiate(t testing.TB) (initiate []byte) {
	t.Helper()
	_, welcome := p.toWelcome(t)
	initiate, err := p.client.Next(welcome)
	ztest.Must(t, err)
	return initiate
}

// toReady takes the exchange as far as READY.
func (p *curvePair) toReady(t testing.TB) (ready []byte) {
	t.Helper()
	ready, done, err := p.server.Next(p.toInitiate(t))
	ztest.Must(t, err)
	if done {
		t.Fatal("done before the client has confirmed READY")
	}
	return ready
}

// toEnd takes the exchange to its end.
func (p *curvePair) toEnd(t testing.TB) {
	t.Helper()
	response, err := p.client.Next(p.toReady(t))
	ztest.Must(t, err)
	challenge, done, err := p.server.Next(response)
	ztest.Must(t, err)
	if response == nil || len(response) > 0 || len(challenge) > 0 || !done {
		t.Fatalf("response %q, challenge %q, done: %v", response, challenge, done)
	}
}

func TestCurve(t *testing.T) {
	t.Parallel()
	p := newCurvePair(t)
	wantNoLayer := func() {
		t.Helper()
		if s, o := p.server.layer(); s != nil || o != nil {
			t.Error("the server has a layer before the end")
		}
		if s, o := p.client.layer(); s != nil || o != nil || p.client.verified() {
			t.Error("the client has a layer before the end")
		}
	}
	wantNoLayer()
	_, welcome := p.toWelcome(t)
	wantNoLayer()
	initiate, err := p.client.Next(welcome)
	ztest.Must(t, err)
	wantNoLayer()
	ready, _, err := p.server.Next(initiate)
	ztest.Must(t, err)
	wantNoLayer()
	if want := []curve.PublicKey{p.client.key.Public()}; !slices.Equal(p.asked, want) {
		t.Errorf("asked about %v, want %v", p.asked, want)
	}
	response, err := p.client.Next(ready)
	ztest.Must(t, err)
	if !p.client.verified() {
		t.Error("the client has not verified the server")
	}
	_, done, err := p.server.Next(response)
	ztest.Must(t, err)
	if !done {
		t.Error("not done")
	}

	// What layer has returned outlives the exchange.
	clientSealer, clientOpener := p.client.layer()
	serverSealer, serverOpener := p.server.layer()
	p.client.close()
	p.server.close()
	for range 3 {
		for _, way := range []struct {
			from *curve.Sealer
			to   *curve.Opener
		}{{clientSealer, serverOpener}, {serverSealer, clientOpener}} {
			sealed, err := way.from.Seal(nil, 0, []byte("text"))
			ztest.Must(t, err)
			if got, _, err := way.to.Open(nil, sealed); err != nil || string(got) != "text" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	}
	wantNoLayer()
}

// TestCurveWiped checks that a layer that nobody has taken is closed with the exchange.
func TestCurveWiped(t *testing.T) {
	t.Parallel()
	p := newCurvePair(t)
	p.toEnd(t)
	sealers, openers := []*curve.Sealer{p.client.sealer, p.server.sealer}, []*curve.Opener{p.client.opener, p.server.opener}
	p.client.close()
	p.server.close()
	for i := range sealers {
		if _, err := sealers[i].Seal(nil, 0, nil); err == nil {
			t.Error("a sealer is still open")
		}
		if _, _, err := openers[i].Open(nil, nil); err == nil || isCurveError(err) {
			t.Errorf("an opener is still open: %v", err)
		}
	}
}

func isCurveError(err error) bool {
	_, ok := errors.AsType[*curve.ProtocolError](err)
	return ok
}

// TestCurveFlippedUnraced checks that each changed bit of each command is refused and ends the
// exchange.
func TestCurveFlippedUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	p := newCurvePair(t)
	hello, welcome := p.toWelcome(t)
	initiate, err := p.client.Next(welcome)
	ztest.Must(t, err)
	ready := newCurvePair(t).toReady(t)
	for name, test := range map[string]struct {
		size int
		try  func(flip func([]byte) []byte) (err, again error) // again: for the unchanged command
	}{
		"HELLO": {len(hello), func(flip func([]byte) []byte) (err, again error) {
			server := p.newServer(p.server.server)
			_, _, err = server.Next(flip(hello))
			_, _, again = server.Next(hello)
			return err, again
		}},
		"WELCOME": {len(welcome), func(flip func([]byte) []byte) (err, again error) {
			p := newCurvePair(t)
			_, welcome := p.toWelcome(t)
			_, err = p.client.Next(flip(welcome))
			_, again = p.client.Next(welcome)
			return err, again
		}},
		"INITIATE": {len(initiate), func(flip func([]byte) []byte) (err, again error) {
			server := p.again(t)
			_, _, err = server.Next(flip(initiate))
			_, _, again = server.Next(initiate)
			return err, again
		}},
		"READY": {len(ready), func(flip func([]byte) []byte) (err, again error) {
			p := newCurvePair(t)
			ready := p.toReady(t)
			_, err = p.client.Next(flip(ready))
			_, again = p.client.Next(ready)
			return err, again
		}},
	} {
		for i := range 8 * test.size {
			if testing.Short() && i%8 != i/8%8 {
				continue
			}
			err, again := test.try(func(command []byte) []byte {
				command = bytes.Clone(command)
				command[i/8] ^= 1 << (i % 8)
				return command
			})
			if !errors.Is(err, ErrProtocol) || !isCurveError(err) {
				t.Fatalf("%s, bit %d: got %v", name, i, err)
			}
			if !errors.Is(again, errAfterEnd) {
				t.Fatalf("%s, bit %d: the exchange goes on after the error: %v", name, i, again)
			}
		}
	}
	if len(p.asked) > 0 {
		t.Error("the gate was asked about a changed INITIATE")
	}
	if _, _, err := p.server.Next(initiate); err != nil || len(p.asked) != 1 {
		t.Errorf("the unchanged INITIATE: %v", err)
	}
}

// TestCurveReplayed checks that an INITIATE is accepted once, and that a whole recorded
// exchange is of no use on either side.
func TestCurveReplayed(t *testing.T) {
	t.Parallel()
	p := newCurvePair(t)
	hello, welcome := p.toWelcome(t)
	initiate, err := p.client.Next(welcome)
	ztest.Must(t, err)
	ready, _, err := p.server.Next(initiate)
	ztest.Must(t, err)

	server := p.newServer(p.server.server)
	_, _, err = server.Next(hello)
	ztest.Must(t, err)
	if _, _, err := server.Next(initiate); !errors.Is(err, ErrProtocol) || !isCurveError(err) || len(p.asked) != 1 {
		t.Errorf("INITIATE to the same server: got %v", err)
	}
	if _, _, err := p.again(t).Next(initiate); !errors.Is(err, ErrProtocol) || len(p.asked) != 1 {
		t.Errorf("INITIATE to the same server after another HELLO: got %v", err)
	}
	other := newCurvePair(t)
	if _, _, err := other.again(t).Next(initiate); !errors.Is(err, ErrProtocol) || len(other.asked) > 0 {
		t.Errorf("INITIATE to another server: got %v", err)
	}
	for i, message := range [][]byte{welcome, ready} {
		client := &curveClient{key: p.client.key, server: p.client.server, offered: curveOffer}
		_, _, err = client.Start()
		ztest.Must(t, err)
		if _, err := client.Next(message); !errors.Is(err, ErrProtocol) || client.verified() {
			t.Errorf("command %d to another client: got %v", i, err)
		}
	}
}

// claimsOf returns metadata of names and values.
func claimsOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var m zap.Metadata
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, zap.Metadata{{Name: pairs[i], Value: pairs[i+1]}}...)
	}
	claims, err := m.Append(nil)
	ztest.Must(t, err)
	return claims
}

// TestCurveOffer checks that a client that saw another offer is refused before the gate is
// asked, that a client refuses a server that made another one, and that a handshake of
// ZMTP is refused on both sides.
func TestCurveOffer(t *testing.T) {
	t.Parallel()
	good := strings.Join(curveOffer, " ")
	for name, test := range map[string]struct {
		claims    []byte
		kind, why error // nil: accepted
	}{
		"the same":            {claimsOf(t, offerProperty, good), nil, nil},
		"name in lower case":  {claimsOf(t, strings.ToLower(offerProperty), good), nil, nil},
		"and more properties": {claimsOf(t, "Socket-Type", "DEALER", offerProperty, good, "X-Y", "z"), nil, nil},
		"none":                {nil, ErrTampered, errNoOffer},
		"empty":               {claimsOf(t, offerProperty, ""), ErrTampered, errNoOffer},
		"those of ZMTP":       {claimsOf(t, "Socket-Type", "DEALER", "Identity", ""), ErrTampered, errNoOffer},
		"one less":            {claimsOf(t, offerProperty, strings.Join(curveOffer[:2], " ")), ErrTampered, errOffer},
		"one more":            {claimsOf(t, offerProperty, good+" PLAIN"), ErrTampered, errOffer},
		"another order":       {claimsOf(t, offerProperty, "SCRAM-SHA-256 CURVE ANONYMOUS"), ErrTampered, errOffer},
		"another separator":   {claimsOf(t, offerProperty, strings.Join(curveOffer, ",")), ErrTampered, errOffer},
		"a space at the end":  {claimsOf(t, offerProperty, good+" "), ErrTampered, errOffer},
		"lower case":          {claimsOf(t, offerProperty, strings.ToLower(good)), ErrTampered, errOffer},
		"twice":               {append(claimsOf(t, offerProperty, good), claimsOf(t, offerProperty, good)...), ErrProtocol, nil},
		"cut off":             {claimsOf(t, offerProperty, good)[:30], ErrProtocol, nil},
		"not metadata":        {[]byte("\x05x"), ErrProtocol, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(err error, accepted bool) {
				t.Helper()
				if !errors.Is(err, test.kind) || test.why != nil && !errors.Is(err, test.why) || accepted != (test.kind == nil) {
					t.Errorf("got %v, accepted: %v", err, accepted)
				}
			}
			p := newCurvePair(t)
			client, err := curve.NewClient(p.client.key, p.client.server)
			ztest.Must(t, err)
			hello, err := client.Hello(nil)
			ztest.Must(t, err)
			welcome, _, err := p.server.Next(hello)
			ztest.Must(t, err)
			initiate, err := client.HandleWelcome(nil, welcome, test.claims)
			ztest.Must(t, err)
			_, _, err = p.server.Next(initiate)
			check(err, len(p.asked) == 1)

			p = newCurvePair(t)
			_, hello, err = p.client.Start()
			ztest.Must(t, err)
			server := p.server.server.Handshake()
			welcome, err = server.HandleHello(nil, hello)
			ztest.Must(t, err)
			initiate, err = p.client.Next(welcome)
			ztest.Must(t, err)
			_, _, err = server.HandleInitiate(initiate)
			ztest.Must(t, err)
			ready, _, _, err := server.Ready(nil, test.claims)
			ztest.Must(t, err)
			_, err = p.client.Next(ready)
			check(err, p.client.verified())
		})
	}
}

// TestCurveRefused checks that a client that the gate refuses gets no READY, and that the
// mechanism returns the gate's error.
func TestCurveRefused(t *testing.T) {
	t.Parallel()
	p := newCurvePair(t)
	refused := errors.New("refused")
	p.server.ask = func(curve.PublicKey) error { return refused }
	ready, done, err := p.server.Next(p.toInitiate(t))
	if ready != nil || done || err != refused {
		t.Errorf("got %q, %v, %v", ready, done, err)
	}
	if _, _, err := p.server.Next(nil); !errors.Is(err, errAfterEnd) {
		t.Errorf("after the refusal: %v", err)
	}
	if s, o := p.server.layer(); s != nil || o != nil {
		t.Error("a refused client has a layer")
	}
}
