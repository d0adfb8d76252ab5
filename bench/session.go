package main

import "github.com/zcurve/zcurve/curve"

// sessionBench seals and opens with the two ends of a session.
type sessionBench struct {
	client, server *curve.Session
	payload        []byte
	sealed         [][]byte // a batch for the server to open: none opens twice
	buf            []byte
}

func newSessionBench(octets, batch int) (b *sessionBench, err error) {
	b = &sessionBench{
		payload: make([]byte, octets),
		sealed:  make([][]byte, batch),
		buf:     make([]byte, 0, octets+curve.MessageOverhead),
	}
	b.client, b.server, err = shakeHands()
	return b, err
}

func (b *sessionBench) seal(int) error {
	_, err := b.client.Seal(b.buf, 0, b.payload)
	return err
}

// sealAll makes a batch to open.
func (b *sessionBench) sealAll() (err error) {
	for i := range b.sealed {
		if b.sealed[i], err = b.client.Seal(b.sealed[i][:0], 0, b.payload); err != nil {
			return err
		}
	}
	return nil
}

func (b *sessionBench) open(i int) error {
	_, _, err := b.server.Open(b.buf, b.sealed[i])
	return err
}

// shakeHands makes a session.
func shakeHands() (client, server *curve.Session, err error) {
	keys := curve.GenerateKey()
	s, err := curve.NewServer(keys)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	c, err := curve.NewClient(curve.GenerateKey(), keys.Public())
	if err != nil {
		return nil, nil, err
	}
	hello, err := c.Hello(nil)
	if err != nil {
		return nil, nil, err
	}
	welcome, counter, err := s.Welcome(nil, hello)
	if err != nil {
		return nil, nil, err
	}
	initiate, err := c.HandleWelcome(nil, welcome, nil)
	if err != nil {
		return nil, nil, err
	}
	peer, err := s.Initiate(counter, initiate)
	if err != nil {
		return nil, nil, err
	}
	ready, server, err := peer.Ready(nil, nil)
	if err != nil {
		return nil, nil, err
	}
	_, client, err = c.HandleReady(ready)
	return client, server, err
}
