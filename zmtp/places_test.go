package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// conn is a net.Conn from an address.
type conn struct {
	net.Conn
	from  string
	ended bool
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

func (c *conn) RemoteAddr() net.Addr { return address(c.from) }
func (c *conn) Close() error         { c.ended = true; return nil }

// TestPlaces checks which connection loses its place to a new one.
func TestPlaces(t *testing.T) {
	t.Parallel()
	greeted := func(p *place) { p.greet() }
	deciding := func(p *place) { p.decide() }
	type peer struct {
		from string
		then func(*place)
	}
	const a, b, a6, b6 = "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1"
	for name, tt := range map[string]struct {
		peers []peer
		lost  []bool
	}{
		"the oldest":                      {[]peer{{a, nil}, {b, nil}, {a6, nil}, {b6, nil}}, []bool{true, false, false, false}},
		"the oldest of the largest crowd": {[]peer{{b, nil}, {a, nil}, {a, nil}, {b6, nil}}, []bool{false, true, false, false}},
		"of a network":                    {[]peer{{b, nil}, {a6, nil}, {"[2001:db8::2]:9", nil}, {b6, nil}}, []bool{false, true, false, false}},
		"the silent first":                {[]peer{{a, greeted}, {a, nil}, {a, nil}, {a, nil}}, []bool{false, true, false, false}},
		"unless most aren't":              {[]peer{{a, greeted}, {a, nil}, {a, greeted}, {a, nil}}, []bool{true, false, false, false}},
		"not in other networks":           {[]peer{{b, greeted}, {a, nil}, {a, nil}, {b6, greeted}}, []bool{false, true, false, false}},
		"or the oldest":                   {[]peer{{a, greeted}, {a, greeted}, {a, greeted}, {a, nil}}, []bool{true, false, false, false}},
		"none that is decided about":      {[]peer{{a, deciding}, {a, deciding}, {b, nil}, {b, nil}, {b, nil}, {b, nil}}, []bool{false, false, true, false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ps := newPlaces()
			ps.max[shaking] = 3
			var conns []*conn
			var places []*place
			for _, p := range tt.peers {
				c := &conn{from: p.from}
				ctx, end := context.WithCancelCause(t.Context())
				conns = append(conns, c)
				places = append(places, ps.enter(c, end))
				if p.then != nil {
					p.then(places[len(places)-1])
				}
				defer func() {
					if c.ended != (context.Cause(ctx) == errDropped) {
						t.Errorf("closed: %v, told: %v", c.ended, context.Cause(ctx))
					}
				}()
			}
			for i, c := range conns {
				if c.ended != tt.lost[i] {
					t.Errorf("connection %d from %s: lost %v", i, c.from, c.ended)
				}
			}
			for _, p := range places {
				p.leave()
			}
			if ps.count != [gone]int{} || ps.shaking.Len() != 0 || len(ps.networks) != 0 {
				t.Errorf("left behind: %v, %v", ps.count, ps.networks)
			}
		})
	}
}

// listenWith is Listen with its own bounds.
func listenWith(t *testing.T, cfg Config, max [gone]int) *Listener {
	t.Helper()
	ln, err := Listen(ztest.Context(t), "tcp://127.0.0.1:*", cfg)
	ztest.Must(t, err)
	t.Cleanup(func() { ln.Close() })
	ln.places.mu.Lock()
	defer ln.places.mu.Unlock()
	ln.places.max = max
	return ln
}

// count returns how many connections are in a state.
func (ps *places) in(s state) int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.count[s]
}

// slowAndPrompt decides about one key at once, and about the others when released.
type slowAndPrompt struct {
	prompt  curve.PublicKey
	asked   chan struct{}
	release chan struct{}
}

func (h slowAndPrompt) Handle(context.Context, *zap.Request) zap.Reply {
	h.asked <- struct{}{}
	<-h.release
	return zap.Reply{Status: zap.StatusOK}
}

func (h slowAndPrompt) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	key, _ := req.CurveKey()
	return zap.Reply{Status: zap.StatusOK}, key == h.prompt
}

// TestSlowDecisions checks that clients that wait for a decision take no place from
// those in handshakes. Beyond their bound a client is told to try later, unless the
// decision is prompt.
func TestSlowDecisions(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	keys, prompt := curve.GenerateKey(), curve.GenerateKey()
	handler := slowAndPrompt{prompt.Public(), make(chan struct{}), make(chan struct{})}
	var log ztest.Log
	ln := listenWith(t, Config{SocketType: "REP", Mechanism: zap.Curve, Key: keys, Handler: handler,
		HandshakeTimeout: ztest.Patience, Log: log.Logger()}, [gone]int{shaking: 1, deciding: 2, waiting: 1})
	dial := func(own curve.SecretKey) error {
		conn, err := Dial(ctx, ln.Endpoint(), Config{SocketType: "REQ", Mechanism: zap.Curve, Key: own, ServerKey: keys.Public(),
			HandshakeTimeout: ztest.Patience})
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		return err
	}
	admitted := make(chan error, 2)
	for range 2 {
		go func() { admitted <- dial(curve.GenerateKey()) }()
		ztest.Receive(t, "the handler is asked", handler.asked)
	}
	if err := dial(curve.GenerateKey()); !errors.Is(err, ErrTryAgain) {
		t.Errorf("a third slow decision: %v", err)
	}
	ztest.Wait(t, "a line of the log", func() bool { return log.Count("client refused", "status=300", "too many clients") == 1 })
	ztest.Must(t, dial(prompt))
	close(handler.release)
	for range 2 {
		ztest.Must(t, ztest.Receive(t, "a slow decision", admitted))
	}
	for range 3 { // two of them beyond the bound
		conn, err := ln.Accept(ctx)
		ztest.Must(t, err)
		conn.Close()
	}
	if log.Count(errDropped.Error()) != 0 {
		t.Errorf("a handshake was dropped:\n%s", &log)
	}
}

// TestWaitForAccept checks that connections that wait for Accept are bounded, take no
// place from handshakes, and end with the Listener.
func TestWaitForAccept(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	var log ztest.Log
	ln := listenWith(t, Config{SocketType: "REP", Mechanism: zap.Null, HandshakeTimeout: ztest.Patience, Log: log.Logger()},
		[gone]int{shaking: 1, deciding: 1, waiting: 2})
	dial := func() *Conn {
		conn, err := Dial(ctx, ln.Endpoint(), Config{SocketType: "REQ", Mechanism: zap.Null, HandshakeTimeout: ztest.Patience})
		ztest.Must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	var held []*Conn
	for n := range 2 {
		held = append(held, dial())
		ztest.Wait(t, fmt.Sprint(n+1, " wait"), func() bool { return ln.places.in(waiting) == n+1 })
	}
	if _, err := dial().Recv(ctx); err != io.EOF {
		t.Errorf("one too many: %v", err)
	}
	ztest.Wait(t, "a line of the log", func() bool { return log.Count("too many wait for Accept") == 1 })
	conn, err := ln.Accept(ctx)
	ztest.Must(t, err)
	defer conn.Close()
	ztest.Must(t, ln.Close())
	if n := ln.places.in(waiting); n != 0 {
		t.Errorf("%d wait after Close", n)
	}
	ended := make(chan error, 2)
	for _, conn := range held {
		go func() { _, err := conn.Recv(ctx); ended <- err }()
	}
	if err := ztest.Receive(t, "the other connection ends", ended); err != io.EOF {
		t.Error(err)
	}
	conn.Close()
	if err := ztest.Receive(t, "the accepted connection ends", ended); err != io.EOF {
		t.Error(err)
	}
}
