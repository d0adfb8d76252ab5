package curve

import (
	"encoding/hex"
	"errors"
	"flag"
	"testing"
)

// vectorBindings are the bindings of the transcripts in testdata/curvezmq.json, from Python:
//
//	h = hashlib.sha256(b"CurveZMQ channel binding 1")
//	for k in "client_public", "server_public", "client_transient_public", "server_transient_public":
//	    h.update(bytes.fromhex(transcript[k]))
var vectorBindings = map[string]string{
	"919328ea": "0b9cfd579e6b438f3b6159392613734a7b54ea5b5d73fa3a5ac98e51e64c67ea",
	"25e475c3": "d7e0859513b0a8203209e9ecc21a5a47b6978a69887c2fbe877d9203e0ff79d8",
	"ec9631ea": "8bbdf82f748845e3b9775afb60b94d947a3be845269f5a82486b18e577975157",
	"43f9d3b2": "aeb2e2345675aa8d9f75ec41d59dc7d4cf3a76daef4fdc43cf6dd65de62dd282",
	"38013803": "b5b6cce57a02d202f5715d14966bfde25be72783c76935d638d0829ddb0550cd",
	"1f389849": "faace20bd4975ac1a2b079d3e1c62b30e7e932c7d446cfe54aa66885291ff733",
	"f55d0115": "3135c3d2e516da34c1648b0ea08c761a3a366083063c34c32c3d5e391a7b77be",
	"502c7f6b": "7ea8eadd2893c91a5ed22200108d96a4352d2c8556a9f42e2ec3b6fad56f1056",
}

var zeroBinding [32]byte

// shake runs a handshake with INITIATE on another connection than HELLO if elsewhere is set.
func (p pair) shake(t *testing.T, elsewhere bool) (*Client, *Handshake) {
	t.Helper()
	h := p.server.Handshake()
	wantUnbound := func() {
		t.Helper()
		if p.client.Binding() != zeroBinding || h.Binding() != zeroBinding {
			t.Fatal("a binding before the end of the handshake")
		}
	}
	wantUnbound()
	hello, err := p.client.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	welcome, err := h.HandleHello(nil, hello)
	if err != nil {
		t.Fatal(err)
	}
	if elsewhere {
		other := newClient(t, p.server.key.Public())
		hello, err := other.Hello(nil)
		if err != nil {
			t.Fatal(err)
		}
		h = p.server.Handshake()
		if _, err := h.HandleHello(nil, hello); err != nil {
			t.Fatal(err)
		}
	}
	wantUnbound()
	initiate, err := p.client.HandleWelcome(nil, welcome, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantUnbound()
	if _, _, err := h.HandleInitiate(initiate); err != nil {
		t.Fatal(err)
	}
	wantUnbound()
	ready, _, _, err := h.Ready(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.client.Binding() != zeroBinding {
		t.Fatal("a client has a binding before READY has arrived")
	}
	if _, _, _, err := p.client.HandleReady(ready); err != nil {
		t.Fatal(err)
	}
	return p.client, h
}

// TestBindingVectors compares the bindings of known keys with those from Python.
func TestBindingVectors(t *testing.T) {
	forEachTranscript(t, func(t *testing.T, tr *transcript) {
		want, ok := vectorBindings[hex.EncodeToString(tr.ClientTransientPublic[:4])]
		if !ok {
			if *vectorsFile == flag.Lookup("vectors").DefValue {
				t.Fatal("no binding is known for this transcript")
			}
			t.Skip("another file of transcripts was given")
		}
		client, h := pair{tr.client(t), tr.server(t)}.shake(t, false)
		for _, got := range [][32]byte{client.Binding(), h.Binding()} {
			if hex.EncodeToString(got[:]) != want {
				t.Errorf("got %x, want %s", got, want)
			}
		}
	})
}

// TestBinding checks that both ends have the same binding, that no other connection of the
// same two keys has it, and that it outlives the handshake.
func TestBinding(t *testing.T) {
	t.Parallel()
	keys, serverKeys := GenerateKey(), GenerateKey()
	server, err := NewServer(serverKeys)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[32]byte]bool{zeroBinding: true}
	for i := range 8 {
		client, err := NewClient(keys, serverKeys.Public())
		if err != nil {
			t.Fatal(err)
		}
		c, h := pair{client, server}.shake(t, i%2 == 1)
		binding := c.Binding()
		if h.Binding() != binding {
			t.Error("the ends have different bindings")
		}
		if seen[binding] {
			t.Error("zero, or the binding of another connection")
		}
		seen[binding] = true
		c.Close()
		h.Close()
		if c.Binding() != binding || h.Binding() != binding {
			t.Error("Close changes the binding")
		}
	}
}

// TestBindingOfFailure checks that a failed handshake has no binding.
func TestBindingOfFailure(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*Client){
		"no READY":         func(c *Client) { c.Close() },
		"a wrong READY":    func(c *Client) { c.HandleReady(make([]byte, readyMin)) },
		"out of order":     func(c *Client) { c.Hello(nil) },
		"a second WELCOME": func(c *Client) { c.HandleWelcome(nil, nil, nil) },
	} {
		p := newPair(t)
		p.toInitiate(t)
		fail(p.client)
		if p.client.Binding() != zeroBinding {
			t.Errorf("client, %s: has a binding", name)
		}
	}
	for name, fail := range map[string]func(*Handshake){
		"refused":      func(h *Handshake) { h.Close() },
		"out of order": func(h *Handshake) { h.HandleInitiate(nil) },
	} {
		peer := newPair(t).toPeer(t)
		fail(peer.Handshake)
		if _, _, _, err := peer.Ready(nil, nil); !errors.Is(err, errOrder) || peer.Binding() != zeroBinding {
			t.Errorf("server, %s: got error %v and a binding", name, err)
		}
	}
}

// TestBindingInTheMiddle checks that someone between two peers, even with the long-term keys of
// both, has two connections with different bindings.
func TestBindingInTheMiddle(t *testing.T) {
	t.Parallel()
	alice, bob, mallory := GenerateKey(), GenerateKey(), GenerateKey()
	connect := func(client, server SecretKey) [32]byte {
		t.Helper()
		c, err := NewClient(client, server.Public())
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewServer(server)
		if err != nil {
			t.Fatal(err)
		}
		c, h := pair{c, s}.shake(t, false)
		if c.Binding() != h.Binding() {
			t.Fatal("the ends have different bindings")
		}
		return h.Binding()
	}
	for name, bindings := range map[string][2][32]byte{
		"with a key of its own": {connect(alice, mallory), connect(mallory, bob)},
		"with both keys stolen": {connect(alice, bob), connect(alice, bob)},
	} {
		if bindings[0] == bindings[1] {
			t.Errorf("%s: both connections have one binding", name)
		}
	}
}
