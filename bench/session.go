package main

import "github.com/zcurve/zcurve/curve"

// sessionBench seals at one end of a connection and opens at the other.
type sessionBench struct {
	sealer  *curve.Sealer
	opener  *curve.Opener
	payload []byte
	sealed  [][]byte // a batch for the server to open; each message opens only once
	buf     []byte
}

func newSessionBench(length, batch int) (b *sessionBench, err error) {
	b = &sessionBench{
		payload: make([]byte, length),
		sealed:  make([][]byte, batch),
		buf:     make([]byte, 0, length+curve.MessageOverhead),
	}
	b.sealer, b.opener, err = shakeHands()
	return b, err
}

func (b *sessionBench) seal(int) error {
	_, err := b.sealer.Seal(b.buf, 0, b.payload)
	return err
}

// sealAll seals a batch for open.
func (b *sessionBench) sealAll() (err error) {
	for i := range b.sealed {
		if b.sealed[i], err = b.sealer.Seal(b.sealed[i][:0], 0, b.payload); err != nil {
			return err
		}
	}
	return nil
}

func (b *sessionBench) open(i int) error {
	_, _, err := b.opener.Open(b.buf, b.sealed[i])
	return err
}

// shakeHands returns a client's Sealer and the server's Opener.
func shakeHands() (sealer *curve.Sealer, opener *curve.Opener, err error) {
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
	h := s.Handshake()
	defer h.Close()
	welcome, err := h.HandleHello(nil, hello)
	if err != nil {
		return nil, nil, err
	}
	initiate, err := c.HandleWelcome(nil, welcome, nil)
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := h.HandleInitiate(initiate); err != nil {
		return nil, nil, err
	}
	ready, _, opener, err := h.Ready(nil, nil)
	if err != nil {
		return nil, nil, err
	}
	_, sealer, _, err = c.HandleReady(ready)
	return sealer, opener, err
}
