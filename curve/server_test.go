package curve

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNewServer(t *testing.T) {
	t.Parallel()
	good, wiped := GenerateKey(), GenerateKey()
	wiped.Wipe()
	for name, key := range map[string]SecretKey{"zero": {}, "wiped": wiped} {
		if s, err := NewServer(key); s != nil || !errors.Is(err, errNoSecretKey) {
			t.Errorf("%s: got %v", name, err)
		}
		if c, err := NewClient(key, good.Public()); c != nil || !errors.Is(err, errNoSecretKey) {
			t.Errorf("%s: client got %v", name, err)
		}
	}
	if c, err := NewClient(good, PublicKey{}); c != nil || !errors.Is(err, ErrPublicKey) {
		t.Errorf("no server key: got %v", err)
	}
}

// forgeHello returns a HELLO whose box holds text. The keys are C' and c'.
func forgeHello(server PublicKey, keys SecretKey, text []byte) []byte {
	b := append([]byte(helloName), 1, 0)
	b = append(b, make([]byte, paddingSize)...)
	b = append(b, public(keys)[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 1)
	return newSharedKey(&server, keys.key.octets).seal(b, text, shortNonce(helloPrefix, 1))
}

func TestWelcomeRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s, public, keys := p.server, p.server.key.Public(), GenerateKey()
	good := forgeHello(public, keys, make([]byte, zerosSize))
	if _, _, err := s.welcome(nil, good); err != nil {
		t.Fatal(err)
	}
	with := func(offset int, octets ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[offset:], octets)
		return b
	}
	lastZero := make([]byte, zerosSize)
	lastZero[zerosSize-1] = 1
	type test struct {
		name  string
		hello []byte
		want  error
	}
	tests := []test{
		{"empty", nil, errName},
		{"other command", []byte("\x05READY"), errName},
		{"too short", good[:199], errLength},
		{"too long", append(bytes.Clone(good), 0), errLength},
		{"version 2.0", with(6, 2), errVersion},
		{"version 1.1", with(7, 1), errVersion},
		{"first padding", with(8, 1), errPadding},
		{"last padding", with(79, 1), errPadding},
		{"other C'", with(80, public[:]...), errBox},
		{"other counter", with(112, 1), errBox},
		{"box with a one", forgeHello(public, keys, lastZero), errPadding},
		{"box for another server", forgeHello(GenerateKey().Public(), keys, make([]byte, zerosSize)), errBox},
	}
	for _, key := range lowOrderEncodings(t) {
		tests = append(tests, test{"C' of low order", with(80, key[:]...), ErrPublicKey})
	}
	for _, tt := range tests {
		welcome, counter, err := s.welcome([]byte("before"), tt.hello)
		wantRefusal(t, err, "HELLO", tt.want)
		if string(welcome) != "before" || counter != 0 {
			t.Errorf("%s: got %q, counter %d", tt.name, welcome, counter)
		}
		if t.Failed() {
			t.Fatal(tt.name)
		}
	}
}

// forgeInitiate returns the INITIATE of a client that has read WELCOME, with this text in
// its box.
func forgeInitiate(initiate []byte, shared *sharedKey, text []byte) []byte {
	b := bytes.Clone(initiate[:len(initiateName)+cookieSize+counterSize])
	return shared.seal(b, text, shortNonce(initiatePrefix, initiateCounter))
}

// TestInitiateRefuses checks that the vouch must come from the key that the client
// claims, to this connection's S', and must name this connection's C' and this
// server's S.
func TestInitiateRefuses(t *testing.T) {
	t.Parallel()
	type forgery struct {
		claims  PublicKey // C
		signer  SecretKey // c
		to      PublicKey // S'
		c, s    PublicKey // what the vouch names
		prefix  string    // of its nonce
		altered bool      // one bit of its box
	}
	stranger := GenerateKey()
	tests := map[string]struct {
		forge func(*forgery)
		want  error
	}{
		"nothing forged": {func(f *forgery) {}, nil},
		// Someone who got a vouch for another connection.
		"names another C'": {func(f *forgery) { f.c = stranger.Public() }, errVouch},
		// A server to which the client has connected, which passes the vouch on to this one.
		"names another S":       {func(f *forgery) { f.s = stranger.Public() }, errVouch},
		"names both in reverse": {func(f *forgery) { f.c, f.s = f.s, f.c }, errVouch},
		"names nothing":         {func(f *forgery) { f.c, f.s = PublicKey{}, PublicKey{} }, errVouch},
		"last bit of C'":        {func(f *forgery) { f.c[31] ^= 0x40 }, errVouch},
		"last bit of S":         {func(f *forgery) { f.s[31] ^= 0x40 }, errVouch},
		"claims another's key":  {func(f *forgery) { f.claims = stranger.Public() }, errVouch},
		"signed by another":     {func(f *forgery) { f.signer = stranger }, errVouch},
		"to another S'":         {func(f *forgery) { f.to = stranger.Public() }, errVouch},
		"other nonce prefix":    {func(f *forgery) { f.prefix = cookiePrefix }, errVouch},
		"altered":               {func(f *forgery) { f.altered = true }, errVouch},
		"claims no key":         {func(f *forgery) { f.claims = PublicKey{} }, ErrPublicKey},
		"claims a second name":  {func(f *forgery) { f.claims[31] |= 0x80 }, ErrPublicKey},
	}
	for i, key := range lowOrderEncodings(t) {
		tests["claims a key of low order "+string(rune('a'+i))] = struct {
			forge func(*forgery)
			want  error
		}{func(f *forgery) { f.claims = key }, ErrPublicKey}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			initiate, counter := p.toInitiate(t)
			opened, err := p.server.cookies.open(initiate[len(initiateName):][:cookieSize], p.server.now())
			if err != nil {
				t.Fatal(err)
			}
			f := forgery{
				claims: p.client.key.Public(),
				signer: p.client.key,
				to:     basepointMult(&opened.secret),
				c:      opened.client,
				s:      p.server.key.Public(),
				prefix: vouchPrefix,
			}
			tt.forge(&f)
			nonce := randomOctets(longNonceSize)
			vouch := newSharedKey(&f.to, f.signer.key.octets).seal(nonce, append(f.c[:], f.s[:]...), longNonce(f.prefix, nonce))
			if f.altered {
				vouch[len(vouch)-1] ^= 1
			}
			text := append(append(f.claims[:], vouch...), "metadata"...)
			forged := forgeInitiate(initiate, p.client.shared, text)
			peer, err := p.server.initiate(counter, forged)
			if tt.want == nil {
				if err != nil || peer.key != f.claims || string(peer.claims) != "metadata" {
					t.Fatalf("got %+v, %v", peer, err)
				}
				return
			}
			wantRefusal(t, err, "INITIATE", tt.want)
			// Only the client itself could have made that box, so its cookie is used up.
			_, err = p.server.initiate(counter, initiate)
			wantRefusal(t, err, "INITIATE", errCookieUsed)
		})
	}
}

// TestWelcomeKeyRefused checks that a server cannot make a client share a known key.
func TestWelcomeKeyRefused(t *testing.T) {
	t.Parallel()
	keys := append(lowOrderEncodings(t), PublicKey{31: 0x80, 0: 9})
	for _, key := range keys {
		p := newPair(t)
		p.toWelcome(t)
		nonce := randomOctets(longNonceSize)
		b := append([]byte(welcomeName), nonce...)
		text := append(key[:], randomOctets(cookieSize)...)
		shared := newSharedKey(public(p.client.transient), p.server.key.key.octets)
		out, err := p.client.HandleWelcome([]byte("before"), shared.seal(b, text, longNonce(welcomePrefix, nonce)), nil)
		wantRefusal(t, err, "WELCOME", ErrPublicKey)
		if string(out) != "before" {
			t.Errorf("got %q", out)
		}
	}
}

// TestWrongServerKey checks that a server notices the HELLO for another key.
func TestWrongServerKey(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.client = newClient(t, GenerateKey().Public())
	hello, err := p.client.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.server.welcome(nil, hello)
	wantRefusal(t, err, "HELLO", errBox)
}

// TestServerClosed checks that a closed server begins no handshake, and that finished
// ones live on.
func TestServerClosed(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	peer := p.toPeer(t)
	other := pair{newClient(t, p.server.key.Public()), p.server}
	initiate, counter := other.toInitiate(t)
	p.server.Close()
	hello, err := newClient(t, p.server.key.Public()).Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.server.welcome(nil, hello)
	wantRefusal(t, err, "HELLO", errClosed)
	_, err = p.server.initiate(counter, initiate)
	wantRefusal(t, err, "INITIATE", errClosed)
	if p.server.cookies.current != nil {
		t.Error("a closed server made a cookie key")
	}
	ready, _, err := peer.ready(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.client.handleReady(ready); err != nil {
		t.Error(err)
	}
}

// TestServerConcurrent runs many connections of one server at once while the cookie
// key is replaced.
func TestServerConcurrent(t *testing.T) {
	t.Parallel()
	keys := GenerateKey()
	server, err := NewServer(keys)
	if err != nil {
		t.Fatal(err)
	}
	// A handshake asks three times: 48 s in all.
	var ticks atomic.Int64
	server.Clock = func() time.Time {
		return time.Unix(0, 0).Add(time.Duration(ticks.Add(1)) * 20 * time.Millisecond)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				p := pair{newClient(t, keys.Public()), server}
				peer := p.toPeer(t)
				if peer.key != p.client.key.Public() {
					t.Error("one client's key on another's connection")
				}
				ready, theirs, err := peer.ready(nil, []byte("metadata"))
				if err != nil {
					t.Error(err)
					return
				}
				_, ours, err := p.client.handleReady(ready)
				if err != nil {
					t.Error(err)
					return
				}
				message, err := ours.Seal(nil, 0, []byte("hello"))
				if err != nil {
					t.Error(err)
				}
				if payload, _, err := theirs.Open(nil, message); string(payload) != "hello" {
					t.Errorf("got %q, %v", payload, err)
				}
				server.Expire()
			}
		})
	}
	wg.Wait()
	if server.cookies.previous == nil {
		t.Error("the cookie key was not replaced")
	}
}

// TestHandshakeOrder checks that a step out of order is refused and ends the handshake.
func TestHandshakeOrder(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	hello, err := p.client.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	type step func(h *Handshake) error
	sayHello := func(h *Handshake) error { _, err := h.HandleHello(nil, hello); return err }
	initiate := func(h *Handshake) error { _, _, err := h.HandleInitiate(nil); return err }
	ready := func(h *Handshake) error { _, _, _, err := h.Ready(nil, nil); return err }
	closes := func(h *Handshake) error { h.Close(); return nil }
	for name, tt := range map[string]struct {
		before []step
		late   step
		want   string
	}{
		"INITIATE first":    {nil, initiate, "INITIATE"},
		"READY first":       {nil, ready, "READY"},
		"READY, no proof":   {[]step{sayHello}, ready, "READY"},
		"HELLO again":       {[]step{sayHello}, sayHello, "HELLO"},
		"closed":            {[]step{closes, closes}, sayHello, "HELLO"},
		"after a refusal":   {[]step{sayHello, initiate}, initiate, "INITIATE"},
		"after a bad order": {[]step{ready}, sayHello, "HELLO"},
	} {
		h := p.server.Handshake()
		for _, s := range tt.before {
			s(h)
		}
		wantRefusal(t, tt.late(h), tt.want, errOrder)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestServerWithoutKeys checks that a server that NewServer did not make, or whose key
// was wiped, refuses every command and says why.
func TestServerWithoutKeys(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	hello, err := p.client.clone().Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	initiate, counter := p.toInitiate(t)
	wiped, err := NewServer(GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	wiped.key.Wipe()
	for name, s := range map[string]*Server{"zero": {}, "with a clock": {Clock: stopped}, "wiped": wiped} {
		out, _, err := s.welcome([]byte("before"), hello)
		wantRefusal(t, err, "HELLO", errNoSecretKey)
		if string(out) != "before" {
			t.Errorf("%s: got %x", name, out)
		}
		_, err = s.initiate(counter, initiate)
		wantRefusal(t, err, "INITIATE", errNoSecretKey)
		s.Expire()
		s.Close()
	}
}

// TestZeroValues checks that the other zero values refuse everything too.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	var client Client
	_, err := client.Hello(nil)
	wantRefusal(t, err, "HELLO", errOrder)
	client.Close()
	var handshake Handshake
	_, err = handshake.HandleHello(nil, nil)
	wantRefusal(t, err, "HELLO", errOrder)
	handshake.Close()
	var sealer Sealer
	_, err = sealer.Seal(nil, 0, nil)
	wantRefusal(t, err, "MESSAGE", errClosed)
	sealer.Close()
	var opener Opener
	_, _, err = opener.Open(nil, nil)
	wantRefusal(t, err, "MESSAGE", errClosed)
	opener.Close()
	if new(ProtocolError).Error() == "" {
		t.Error("the zero ProtocolError says nothing")
	}
}
