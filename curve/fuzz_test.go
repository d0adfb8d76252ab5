package curve

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// newFuzzPair makes both halves, always the same: with other keys in each of
// the fuzzer's processes, what one finds would mean nothing to the next.
func newFuzzPair(f *testing.F) pair {
	f.Helper()
	random := rand.NewChaCha8([32]byte{})
	server, err := NewServer(generateKey(random))
	if err != nil {
		f.Fatal(err)
	}
	server.Clock = func() time.Time { return time.Unix(0, 0) }
	client, err := NewClient(generateKey(random), server.key.Public())
	if err != nil {
		f.Fatal(err)
	}
	server.random, client.random = random, random
	return pair{client, server}
}

// FuzzPublicKey checks that a text that is a key is the text of that key.
func FuzzPublicKey(f *testing.F) {
	for _, text := range []string{"", strings.Repeat("0", 40), strings.Repeat("%nSc0", 8), newFuzzPair(f).client.key.Public().String()} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParsePublicKey(text); err == nil && key.String() != text {
			t.Errorf("key %q came back as %q", text, key)
		}
	})
}

// isRefusal reports whether err is the error for a command that breaks the rules.
func isRefusal(err error) bool {
	p, ok := errors.AsType[*ProtocolError](err)
	return ok && p.Err != nil && p.Command != ""
}

// What the fuzzer makes: a whole command, or the content of the box of an otherwise valid
// command.
const (
	fuzzHello byte = iota
	fuzzHelloBox
	fuzzInitiate
	fuzzInitiateBox
	fuzzServerKinds
)

// FuzzServer checks that no HELLO or INITIATE makes the server panic, or is accepted
// without a proof.
func FuzzServer(f *testing.F) {
	p := newFuzzPair(f)
	hello, err := p.client.Hello(nil)
	if err != nil {
		f.Fatal(err)
	}
	welcome, counter, err := p.server.welcome(nil, hello)
	if err != nil {
		f.Fatal(err)
	}
	initiate, err := p.client.HandleWelcome(nil, welcome, []byte("metadata"))
	if err != nil {
		f.Fatal(err)
	}
	shared := p.client.shared
	text, ok := shared.open(nil, initiate[len(initiateName)+cookieSize+counterSize:], shortNonce(initiatePrefix, initiateCounter))
	if !ok {
		f.Fatal("own INITIATE does not open")
	}
	f.Add(fuzzHello, hello)
	f.Add(fuzzHello, hello[:199])
	f.Add(fuzzHello, initiate)
	f.Add(fuzzHelloBox, make([]byte, zerosSize))
	f.Add(fuzzHelloBox, bytes.Repeat([]byte{1}, zerosSize))
	f.Add(fuzzInitiate, initiate)
	f.Add(fuzzInitiate, initiate[:initiateMin])
	f.Add(fuzzInitiate, hello)
	f.Add(fuzzInitiateBox, text)
	f.Add(fuzzInitiateBox, text[:KeySize+vouchSize])
	f.Add(fuzzInitiateBox, make([]byte, 200))
	f.Add(fuzzInitiateBox, []byte{})
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		kind %= fuzzServerKinds
		server := p.server
		switch kind {
		case fuzzHello, fuzzHelloBox:
			command := data
			if kind == fuzzHelloBox {
				command = forgeHello(server.key.Public(), p.client.key, data)
			}
			welcome, _, err := server.welcome(nil, command)
			if err != nil && (!isRefusal(err) || welcome != nil) {
				t.Errorf("got %d bytes, %v", len(welcome), err)
			}
			if err == nil && len(welcome) != 168 {
				t.Errorf("WELCOME of %d bytes", len(welcome))
			}
			if kind == fuzzHelloBox && (err == nil) != (len(data) == zerosSize && isZero(data)) {
				t.Errorf("box with %x: %v", data, err)
			}
		case fuzzInitiate, fuzzInitiateBox:
			command := data
			if kind == fuzzInitiateBox {
				command = forgeInitiate(initiate, shared, data)
			}
			clear(server.cookies.current.used)
			peer, err := server.initiate(counter, command)
			if err != nil && (!isRefusal(err) || peer != nil) {
				t.Errorf("got a peer: %v, %v", peer != nil, err)
			}
			if err == nil && (peer.key != p.client.key.Public() || kind == fuzzInitiate && !bytes.Equal(data, initiate)) {
				t.Errorf("accepted %x", data)
			}
		}
	})
}

const (
	fuzzWelcome byte = iota
	fuzzWelcomeBox
	fuzzReady
	fuzzReadyBox
	fuzzError
	fuzzClientKinds
)

// FuzzClient checks that no WELCOME, READY or ERROR makes the client panic, or passes
// for the server's.
func FuzzClient(f *testing.F) {
	p := newFuzzPair(f)
	welcome, counter := p.toWelcome(f)
	beforeWelcome := p.client.clone()
	initiate, err := p.client.HandleWelcome(nil, welcome, []byte("metadata"))
	if err != nil {
		f.Fatal(err)
	}
	peer, err := p.server.initiate(counter, initiate)
	if err != nil {
		f.Fatal(err)
	}
	ready, _, err := peer.ready(nil, []byte("server metadata"))
	if err != nil {
		f.Fatal(err)
	}
	reject, err := AppendError(nil, "400")
	if err != nil {
		f.Fatal(err)
	}
	nonce := welcome[len(welcomeName):][:longNonceSize]
	text, ok := beforeWelcome.shared.open(nil, welcome[len(welcomeName)+longNonceSize:], longNonce(welcomePrefix, nonce))
	if !ok {
		f.Fatal("own WELCOME does not open")
	}
	f.Add(fuzzWelcome, welcome)
	f.Add(fuzzWelcome, reject)
	f.Add(fuzzWelcomeBox, text)
	f.Add(fuzzWelcomeBox, make([]byte, len(text)))
	f.Add(fuzzReady, ready)
	f.Add(fuzzReady, welcome)
	f.Add(fuzzReadyBox, []byte("\x0bSocket-Type\x00\x00\x00\x03REP"))
	f.Add(fuzzError, reject)
	f.Add(fuzzError, []byte("\x05ERROR\x00"))
	f.Add(fuzzError, []byte("\x05ERROR\xff"))
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		kind %= fuzzClientKinds
		switch kind {
		case fuzzWelcome, fuzzWelcomeBox:
			client := beforeWelcome.clone()
			command := data
			if kind == fuzzWelcomeBox {
				command = beforeWelcome.shared.seal(bytes.Clone(welcome[:len(welcomeName)+longNonceSize]), data, longNonce(welcomePrefix, nonce))
			}
			out, err := client.HandleWelcome(nil, command, nil)
			if err != nil && (!isRefusal(err) || out != nil || client.due != dueNothing) {
				t.Errorf("got %d bytes, %v", len(out), err)
			}
			if err == nil && (len(out) != 257 || kind == fuzzWelcome && !bytes.Equal(data, welcome)) {
				t.Errorf("accepted %x", data)
			}
		case fuzzReady, fuzzReadyBox:
			client := p.client.clone()
			command := data
			if kind == fuzzReadyBox {
				command = p.client.shared.seal(bytes.Clone(ready[:len(readyName)+counterSize]), data, shortNonce(readyPrefix, 1))
			}
			metadata, session, err := client.handleReady(command)
			if client.due != dueNothing {
				t.Error("the client is not done")
			}
			if err != nil && (!isRefusal(err) || metadata != nil || session != nil) {
				t.Errorf("got metadata %x, %v", metadata, err)
			}
			if err == nil && (kind == fuzzReady && !bytes.Equal(data, ready) || kind == fuzzReadyBox && !bytes.Equal(metadata, data)) {
				t.Errorf("accepted %x", data)
			}
		case fuzzError:
			reason, err := ParseError(data)
			if err != nil && (!isRefusal(err) || reason != "") {
				t.Errorf("got %q, %v", reason, err)
			}
			if err == nil {
				if again, err := AppendError(nil, reason); err != nil || !bytes.Equal(again, data) {
					t.Errorf("%x came back as %x, %v", data, again, err)
				}
			}
		}
	})
}

// FuzzSessionOpen checks that no MESSAGE makes an Opener panic or passes for the
// peer's, and that what the peer sealed is opened with its flags, or refused because
// of them.
func FuzzSessionOpen(f *testing.F) {
	client, server := newFuzzPair(f).toSessions(f)
	message, err := client.Seal(nil, FlagMore, []byte("payload"))
	if err != nil {
		f.Fatal(err)
	}
	last := server.receive.last
	f.Add(false, byte(0), message)
	f.Add(false, byte(0), message[:MessageOverhead])
	f.Add(false, byte(0), message[:MessageOverhead-1])
	f.Add(false, byte(0), []byte("\x07MESSAGE\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(true, byte(0), []byte{})
	f.Add(true, FlagMore|FlagCommand, []byte("\x04PING\x00\x01"))
	f.Add(true, byte(4), make([]byte, 300))
	f.Fuzz(func(t *testing.T, sealed bool, flags byte, data []byte) {
		command := data
		if sealed {
			command = client.send.cipher.seal(nil, last+1, flags, data)
		}
		receiver := server.receiver(last)
		out, got, err := receiver.Open(nil, command)
		if err != nil && (!isRefusal(err) || out != nil || got != 0 || receiver.receive.cipher != nil) {
			t.Errorf("got %x, flags %d, %v", out, got, err)
		}
		switch {
		case !sealed:
			if err == nil && !bytes.Equal(data, message) {
				t.Errorf("accepted %x", data)
			}
		case flags > FlagMore|FlagCommand:
			if !errors.Is(err, errFlags) {
				t.Errorf("flags %d: %v", flags, err)
			}
		case err != nil || got != flags || !bytes.Equal(out, data):
			t.Errorf("flags %d, %x came out as %d, %x, %v", flags, data, got, out, err)
		}
	})
}
