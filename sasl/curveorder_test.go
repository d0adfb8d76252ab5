package sasl

import (
	"errors"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestCurveOrder checks each step at each wrong place.
func TestCurveOrder(t *testing.T) {
	t.Parallel()
	commands := make(map[string][]byte)
	p := newCurvePair(t)
	commands["HELLO"], commands["WELCOME"] = p.toWelcome(t)
	commands["INITIATE"] = newCurvePair(t).toInitiate(t)
	commands["READY"] = newCurvePair(t).toReady(t)
	commands["nothing"] = nil
	for due, to := range map[string]func(p *curvePair){
		"HELLO":    func(*curvePair) {},
		"INITIATE": func(p *curvePair) { p.toWelcome(t) },
		"nothing":  func(p *curvePair) { p.toReady(t) },
		"":         func(p *curvePair) { p.toEnd(t) },
	} {
		for name, command := range commands {
			if name == due {
				continue
			}
			p := newCurvePair(t)
			to(p)
			if _, done, err := p.server.Next(command); !errors.Is(err, ErrProtocol) || done {
				t.Errorf("server, %s in place of %s: got %v", name, due, err)
			}
			if s, o := p.server.layer(); s != nil || o != nil {
				t.Errorf("server, %s in place of %s: a layer", name, due)
			}
		}
	}
	for due, to := range map[string]func(p *curvePair){
		"WELCOME": func(p *curvePair) { p.toWelcome(t) },
		"READY":   func(p *curvePair) { p.toInitiate(t) },
		"":        func(p *curvePair) { p.toEnd(t) },
	} {
		for name, command := range commands {
			if name == due {
				continue
			}
			p := newCurvePair(t)
			to(p)
			if _, err := p.client.Next(command); !errors.Is(err, ErrProtocol) || p.client.verified() {
				t.Errorf("client, %s in place of %s: got %v", name, due, err)
			}
		}
		p := newCurvePair(t)
		to(p)
		if _, _, err := p.client.Start(); !errors.Is(err, errAfterEnd) {
			t.Errorf("a second HELLO in place of %s: got %v", due, err)
		}
	}
	p = newCurvePair(t)
	if _, err := p.client.Next(commands["WELCOME"]); !errors.Is(err, ErrProtocol) {
		t.Errorf("WELCOME in place of a start: got %v", err)
	}
}

// TestCurveUnable checks that a server that has no key, or is closed, does not blame the
// client.
func TestCurveUnable(t *testing.T) {
	t.Parallel()
	p := newCurvePair(t)
	initiate := p.toInitiate(t)
	p.server.server.Close()
	if _, _, err := p.server.Next(initiate); err == nil || errors.Is(err, ErrProtocol) {
		t.Errorf("closed: got %v", err)
	}
	p = newCurvePair(t)
	p.server.server = new(curve.Server)
	_, hello, err := p.client.Start()
	ztest.Must(t, err)
	if _, _, err := p.server.Next(hello); err == nil || errors.Is(err, ErrProtocol) {
		t.Errorf("no key: got %v", err)
	}
	for name, client := range map[string]*curveClient{
		"no key":        {server: p.client.server, offered: curveOffer},
		"no server key": {key: p.client.key, offered: curveOffer},
	} {
		if _, _, err := client.Start(); err == nil || errors.Is(err, ErrProtocol) {
			t.Errorf("client, %s: got %v", name, err)
		}
	}
}
