package main

import "github.com/zcurve/zcurve/curve"

// sessionBench seals and opens with the two ends of a session.
type sessionBench struct {
	client, server *curve.Session
	payload        []byte
	sealed         [][]byte // a batch for the server to open: none opens twice
	buf            []byte
}

func newSessionBench(octets, batch int) *sessionBench {
	b := &sessionBench{
		payload: make([]byte, octets),
		sealed:  make([][]byte, batch),
		buf:     make([]byte, 0, octets+curve.MessageOverhead),
	}
	b.client, b.server = shakeHands()
	return b
}

func (b *sessionBench) seal(int) {
	_, err := b.client.Seal(b.buf, 0, b.payload)
	must(err)
}

// sealAll makes a batch to open.
func (b *sessionBench) sealAll() {
	for i := range b.sealed {
		var err error
		b.sealed[i], err = b.client.Seal(b.sealed[i][:0], 0, b.payload)
		must(err)
	}
}

func (b *sessionBench) open(i int) {
	_, _, err := b.server.Open(b.buf, b.sealed[i])
	must(err)
}

// shakeHands makes a session.
func shakeHands() (client, server *curve.Session) {
	keys := curve.GenerateKeyPair()
	s, err := curve.NewServer(keys)
	must(err)
	defer s.Close()
	c, err := curve.NewClient(curve.GenerateKeyPair(), keys.Public)
	must(err)
	hello, err := c.Hello(nil)
	must(err)
	welcome, counter, err := s.Welcome(nil, hello)
	must(err)
	initiate, err := c.HandleWelcome(nil, welcome, nil)
	must(err)
	peer, err := s.Initiate(counter, initiate)
	must(err)
	ready, server, err := peer.Ready(nil, nil)
	must(err)
	_, client, err = c.HandleReady(ready)
	must(err)
	return client, server
}
