package curve

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"time"
)

// script gives octets in place of random numbers.
func script(parts ...[]byte) io.Reader { return bytes.NewReader(bytes.Join(parts, nil)) }

// wantRefusal fails the test unless err is a *ProtocolError about this command
// for this reason.
func wantRefusal(t testing.TB, err error, command string, reason error) {
	t.Helper()
	var refusal *ProtocolError
	if !errors.As(err, &refusal) || refusal.Command != command || !errors.Is(err, reason) {
		t.Errorf("got error %v, want %s refused: %v", err, command, reason)
	}
}

// pair is a client and a server about to shake hands.
type pair struct {
	client *Client
	server *Server
}

// newPair makes both halves with new keys.
func newPair(t testing.TB) pair {
	t.Helper()
	keys := GenerateKey()
	server, err := NewServer(keys)
	if err != nil {
		t.Fatal(err)
	}
	server.Clock = stopped
	return pair{newClient(t, keys.Public()), server}
}

// stopped is a clock of a server that never moves: no cookie expires while a test waits
// for a busy machine.
func stopped() time.Time { return time.Date(2031, 1, 2, 3, 4, 5, 6, time.UTC) }

func newClient(t testing.TB, server PublicKey) *Client {
	t.Helper()
	client, err := NewClient(GenerateKey(), server)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// toWelcome takes the handshake as far as WELCOME and returns it.
func (p pair) toWelcome(t testing.TB) (welcome []byte, counter uint64) {
	t.Helper()
	hello, err := p.client.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	welcome, counter, err = p.server.Welcome(nil, hello)
	if err != nil {
		t.Fatal(err)
	}
	return welcome, counter
}

// toInitiate takes the handshake as far as INITIATE and returns it.
func (p pair) toInitiate(t testing.TB) (initiate []byte, counter uint64) {
	t.Helper()
	welcome, counter := p.toWelcome(t)
	initiate, err := p.client.HandleWelcome(nil, welcome, []byte("client metadata"))
	if err != nil {
		t.Fatal(err)
	}
	return initiate, counter
}

// toPeer takes the handshake as far as the server's decision.
func (p pair) toPeer(t testing.TB) *Peer {
	t.Helper()
	initiate, counter := p.toInitiate(t)
	peer, err := p.server.Initiate(counter, initiate)
	if err != nil {
		t.Fatal(err)
	}
	return peer
}

// newSessions shakes hands and returns both ends.
func newSessions(t testing.TB) (client, server *Session) {
	t.Helper()
	return newPair(t).toSessions(t)
}

// toSessions takes the handshake to its end.
func (p pair) toSessions(t testing.TB) (client, server *Session) {
	t.Helper()
	peer := p.toPeer(t)
	ready, server, err := peer.Ready(nil, []byte("server metadata"))
	if err != nil {
		t.Fatal(err)
	}
	_, client, err = p.client.HandleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// clone copies a client with its secrets, so that a step can be tried many
// times. What it makes is random.
func (c *Client) clone() *Client {
	d := &Client{key: c.key, server: c.server, transient: c.transient, due: c.due, random: rand.Reader}
	if !c.transient.IsZero() {
		d.transient, _ = NewSecretKey(c.transient.key.octets[:])
	}
	if c.shared != nil {
		d.shared = c.shared.clone()
	}
	return d
}

func (k *sharedKey) clone() *sharedKey {
	d := &sharedKey{newSecret()}
	*d.key.octets = *k.key.octets
	return d
}

// receiver makes a session that can only open, and only what s can and follows
// this counter.
func (s *Session) receiver(last uint64) *Session {
	cipher := &messageCipher{newSecret()}
	*cipher.subkey.octets = *s.receive.cipher.subkey.octets
	return &Session{receive: Opener{cipher: cipher, last: last}}
}

// public returns a pointer to the public key of s.
func public(s SecretKey) *PublicKey {
	key := s.Public()
	return &key
}

// textOf returns a secret key in Z85.
func textOf(s SecretKey) string { return string(s.AppendZ85(nil)) }
