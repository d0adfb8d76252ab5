package curve

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// script returns bytes in place of random numbers.
func script(parts ...[]byte) io.Reader { return bytes.NewReader(bytes.Join(parts, nil)) }

// wantRefusal fails the test unless err is about this command for this reason, and a
// *ProtocolError if the peer is to blame.
func wantRefusal(t testing.TB, err error, command string, reason error) {
	t.Helper()
	ours := slices.Contains([]error{errOrder, errClosed, errNoSecretKey, errBusy, errExhausted}, reason)
	refusal, ok := errors.AsType[*ProtocolError](err)
	if !errors.Is(err, reason) || ok && refusal.Command != command || ok == ours || !strings.HasPrefix(err.Error(), "curve: "+command+": ") {
		t.Errorf("got error %v, want %s refused: %v", err, command, reason)
	}
}

// welcome handles a HELLO in a new handshake.
func (s *Server) welcome(dst, hello []byte) (welcome []byte, counter uint64, err error) {
	h := s.Handshake()
	welcome, err = h.HandleHello(dst, hello)
	return welcome, h.counter, err
}

// initiate handles an INITIATE in a new handshake whose HELLO had this counter.
func (s *Server) initiate(counter uint64, initiate []byte) (*peer, error) {
	h := &Handshake{server: s, due: dueInitiate, counter: counter}
	key, claims, err := h.HandleInitiate(initiate)
	if err != nil {
		if key != (PublicKey{}) || claims != nil || h.shared != nil && !isZero(h.shared.key.octets[:]) {
			return nil, fmt.Errorf("%w, and more than that", err)
		}
		return nil, err
	}
	return &peer{h, key, claims}, nil
}

// peer is a client that waits for the server's decision.
type peer struct {
	*Handshake
	key    PublicKey
	claims []byte
}

func (p *peer) ready(dst, claims []byte) ([]byte, *session, error) {
	dst, s, o, err := p.Ready(dst, claims)
	return dst, newSession(s, o), err
}

func (c *Client) handleReady(ready []byte) (claims []byte, s *session, err error) {
	claims, sealer, opener, err := c.HandleReady(ready)
	return claims, newSession(sealer, opener), err
}

// session is one end of a connection.
type session struct {
	send    *Sealer
	receive *Opener
}

func newSession(s *Sealer, o *Opener) *session {
	if s == nil && o == nil {
		return nil
	}
	return &session{s, o}
}

func (s *session) Seal(dst []byte, flags byte, payload []byte) ([]byte, error) {
	return s.send.Seal(dst, flags, payload)
}

func (s *session) Open(dst, message []byte) (out []byte, flags byte, err error) {
	return s.receive.Open(dst, message)
}

func (s *session) Close() {
	s.send.Close()
	s.receive.Close()
}

// pair is a client and a server about to shake hands.
type pair struct {
	client *Client
	server *Server
}

// newPair returns both halves with new keys.
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

// stopped is a clock that never moves, so that no cookie expires while a test waits for a
// busy machine.
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
	welcome, counter, err = p.server.welcome(nil, hello)
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
func (p pair) toPeer(t testing.TB) *peer {
	t.Helper()
	initiate, counter := p.toInitiate(t)
	peer, err := p.server.initiate(counter, initiate)
	if err != nil {
		t.Fatal(err)
	}
	return peer
}

// newSessions shakes hands and returns both ends.
func newSessions(t testing.TB) (client, server *session) {
	t.Helper()
	return newPair(t).toSessions(t)
}

// toSessions takes the handshake to its end.
func (p pair) toSessions(t testing.TB) (client, server *session) {
	t.Helper()
	peer := p.toPeer(t)
	ready, server, err := peer.ready(nil, []byte("server metadata"))
	if err != nil {
		t.Fatal(err)
	}
	_, client, err = p.client.handleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// clone copies a client with its secrets, so that a step can be tried many times. The copy
// uses real random numbers.
func (c *Client) clone() *Client {
	d := &Client{key: c.key, server: c.server, transient: c.transient, due: c.due, random: rand.Reader}
	if !c.transient.IsZero() {
		d.transient, _ = NewSecretKey(c.transient.key.octets[:])
		d.transient.key.public.Store(c.transient.key.public.Load())
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

// receiver returns an end that can only open, with the key of s and after this counter.
func (s *session) receiver(last uint64) *session {
	cipher := &messageCipher{newSecret()}
	*cipher.subkey.octets = *s.receive.cipher.subkey.octets
	return &session{send: new(Sealer), receive: &Opener{cipher: cipher, last: last}}
}

// public returns a pointer to the public key of s.
func public(s SecretKey) *PublicKey {
	key := s.Public()
	return &key
}

// textOf returns a secret key in Z85.
func textOf(s SecretKey) string { return string(s.AppendZ85(nil)) }
