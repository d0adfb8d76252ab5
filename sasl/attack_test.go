package sasl

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/zaptest"
	"github.com/zcurve/zcurve/zmtp"
)

// TestOutOfOrder: a client breaks the protocol if it answers before it is asked, changes the
// mechanism midway, or chooses one that is not offered. The gate is not asked, and the client may
// try again.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	plain := []byte("\x00alice\x00wonderland")
	first := []byte("n,,n=alice,r=nonce")
	for name, messages := range map[string][][][]byte{
		"before OHAI":        {yarly(t, Plain, plain)},
		"not offered":        {compose(t, Command{Kind: OHAI}), yarly(t, Anonymous, nil)},
		"unknown":            {compose(t, Command{Kind: OHAI}), yarly(t, "KERBEROS_V4", nil)},
		"changed":            {compose(t, Command{Kind: OHAI}), yarly(t, ScramSHA256, first), yarly(t, Plain, plain)},
		"changed to -PLUS":   {compose(t, Command{Kind: OHAI}), yarly(t, ScramSHA256, first), yarly(t, ScramSHA256Plus, first)},
		"the server's ORLY":  {compose(t, Command{Kind: OHAI}), orly(t, nil, Plain)},
		"the server's SRSLY": {compose(t, Command{Kind: OHAI}), compose(t, Command{Kind: SRSLY, Reason: "400 refused"})},
		"OHAI-OK itself":     {compose(t, Command{Kind: OHAI}), compose(t, Command{Kind: OHAIOK})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := new(gate)
			s := newTestServer(t, g, without(strongest, Anonymous)...)
			last := len(messages) - 1
			for _, m := range messages[:last] {
				answer, err := send(t, s, m)
				if err != nil || answer.Kind != ORLY {
					t.Fatalf("%v, %v", answer.Kind, err)
				}
			}
			answer, err := send(t, s, messages[last])
			checkError(t, "server", err, ErrProtocol)
			if answer.Kind != RTFM || len(g.requests) > 0 || s.state != start {
				t.Errorf("%v, %d requests, state %d", answer.Kind, len(g.requests), s.state)
			}
			c := newTestClient(t, Plain)
			checkAdmitted(t, exchange(t, c, s), c, s, g, Plain)
		})
	}
}

// TestMechanismRenamed: neither side may name another mechanism midway, even if the data belongs
// to the chosen one.
func TestMechanismRenamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{ScramSHA256, ScramSHA256Plus, Curve} {
		rename := func(command *Command) {
			if len(command.Mechanisms) == 1 && command.Kind == YARLY && len(command.Data) == 0 {
				command.Mechanisms = []string{External}
			}
		}
		s, c := newTestServer(t, new(gate)), newTestClient(t, name)
		w := &wire{toServer: rename}
		w.run(t, c, s)
		checkError(t, "server", w.server, ErrProtocol)
		if _, ok := s.User(); ok || c.Done() {
			t.Errorf("%s: the server does not notice", name)
		}
		c = newTestClient(t, name)
		w = &wire{toClient: func(command *Command) {
			if command.Kind == ORLY && len(command.Mechanisms) == 1 {
				command.Mechanisms = []string{Plain, External}
			}
		}}
		w.run(t, c, newTestServer(t, new(gate)))
		checkError(t, "client", w.client, ErrProtocol)
		if c.Done() {
			t.Errorf("%s: the client does not notice", name)
		}
	}
}

// lax is a codec that checks nothing: a message is the command in its fields.
type lax struct{ parsed func([][]byte) Command }

func (l lax) Message(c Command) ([][]byte, error) { return frames(c.Kind.String(), c.Reason), nil }
func (l lax) Parse(m [][]byte) (Command, error)   { return l.parsed(m), nil }

// TestMebibyteAlloc: a client that sends 1 MiB in any field breaks the protocol, whatever the
// codec checks, and costs almost no memory. The same holds for a server.
func TestMebibyteAlloc(t *testing.T) {
	ztest.Unraced(t)
	huge := make([]byte, 1<<20)
	for i := range huge {
		huge[i] = 'A'
	}
	text := string(huge)
	names := make([]string, 1<<16)
	for i := range names {
		names[i] = Plain
	}
	for name, test := range map[string]struct {
		codec   Codec
		message [][]byte
	}{
		"FILEMQ response":    {FILEMQ, [][]byte{[]byte("\xAA\xA3\x03\x05PLAIN"), huge}},
		"FILEMQ command":     {FILEMQ, [][]byte{append([]byte("\xAA\xA3\x01\x06FILEMQ\x01"), huge...)}},
		"NOM response":       {NOM, [][]byte{[]byte("YARLY"), []byte(Plain), huge}},
		"NOM mechanism":      {NOM, [][]byte{[]byte("YARLY"), huge, nil}},
		"NOM command":        {NOM, [][]byte{huge}},
		"NOM frames":         {NOM, append(frames("ORLY"), make([][]byte, 1<<16)...)},
		"lax response":       {lax{func([][]byte) Command { return Command{Kind: YARLY, Mechanisms: []string{Plain}, Data: huge} }}, nil},
		"lax mechanism":      {lax{func([][]byte) Command { return Command{Kind: YARLY, Mechanisms: []string{text}} }}, nil},
		"lax mechanisms":     {lax{func([][]byte) Command { return Command{Kind: ORLY, Mechanisms: names} }}, nil},
		"lax reason":         {lax{func([][]byte) Command { return Command{Kind: RTFM, Reason: text} }}, nil},
		"lax unknown kind":   {lax{func([][]byte) Command { return Command{Kind: 77, Data: huge} }}, nil},
		"lax without a kind": {lax{func([][]byte) Command { return Command{Data: huge} }}, nil},
	} {
		s, err := NewServer(ServerConfig{Codec: test.codec, Policy: new(gate), Link: Link{Local: true}})
		ztest.Must(t, err)
		cfg := testConfig()
		cfg.Codec = test.codec
		c := newClient(t, cfg)
		_, err = c.Start()
		ztest.Must(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		reply, err := s.Handle(t.Context(), test.message)
		_, err2 := c.Handle(test.message)
		runtime.ReadMemStats(&after)
		checkError(t, name, err, ErrProtocol)
		checkError(t, name, err2, ErrProtocol)
		if reply == nil {
			t.Errorf("%s: no reply", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s takes %d bytes", name, n)
		}
	}
}

// TestReplay: the messages of a successful exchange, replayed by another client or another server,
// prove nothing with the mechanisms that use challenges. The others send the same every time: they
// need a connection that nobody can read.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, name := range strongest {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := exchange(t, newTestClient(t, name), newTestServer(t, new(gate)))
			ztest.Must(t, w.client, w.server)

			g := new(gate)
			s := newTestServer(t, g)
			var failed error
			for _, message := range w.sent {
				if _, err := s.Handle(t.Context(), message); err != nil && failed == nil {
					failed = err
				}
			}
			_, admitted := s.User()
			switch name {
			case Plain, Anonymous, External:
				if !admitted {
					t.Errorf("%v", failed)
				}
				return
			}
			checkError(t, "server", failed, ErrProtocol)
			if admitted || len(g.requests) > 0 {
				t.Errorf("admitted by a replay, or the gate was asked %d times", len(g.requests))
			}

			c := newTestClient(t, name)
			_, err := c.Start()
			ztest.Must(t, err)
			for _, message := range w.received {
				if _, err = c.Handle(message); err != nil {
					break
				}
			}
			checkError(t, "client", err, ErrProtocol)
			if c.Done() {
				t.Error("the client believes a replay")
			}
		})
	}
}

// TestReplayOnSameConnection: the same holds on the same connection, where all keys are the same.
func TestReplayOnSameConnection(t *testing.T) {
	t.Parallel()
	for _, name := range []string{ScramSHA256, ScramSHA256Plus, Curve} {
		s := newTestServer(t, new(gate))
		w := exchange(t, newTestClient(t, name), s)
		ztest.Must(t, w.client, w.server)
		for _, message := range w.sent {
			if _, err := s.Handle(t.Context(), message); err != nil {
				checkError(t, name, err, ErrProtocol)
			}
		}
		if _, ok := s.User(); ok {
			t.Errorf("%s: admitted by a replay", name)
		}
	}
}

// TestRelay: nobody between two CURVE connections, one to the client and one to the server, can
// relay SCRAM-SHA-256-PLUS, whether the offer is changed or not. Without -PLUS, they can.
func TestRelay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		offer  []string // by the server
		shown  []string // to the client; nil: the same
		server error
		done   bool
	}{
		{name: "-PLUS only", offer: []string{ScramSHA256Plus}, server: ErrTampered},
		{name: "-PLUS first", offer: []string{ScramSHA256Plus, ScramSHA256, Plain}, server: ErrTampered},
		{name: "-PLUS stripped", offer: []string{ScramSHA256Plus, ScramSHA256}, shown: []string{ScramSHA256}, server: ErrTampered},
		{name: "without -PLUS", offer: []string{ScramSHA256}, done: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			middle := curve.GenerateKey()
			victim, toMiddle := connect(t, testKey, middle)
			fromMiddle, service := connect(t, middle, testServer)

			g := new(gate)
			user := service.User()
			s, err := NewServer(ServerConfig{Codec: NOM, Policy: g, Mechanisms: test.offer, Link: Link{Local: true, Key: user.Key, Binding: user.Binding}})
			ztest.Must(t, err)
			user = victim.User()
			c := newClient(t, ClientConfig{
				Codec: NOM, Username: testLogin, Password: zap.NewPassword(testPassword), Link: Link{Key: user.Key, Binding: user.Binding},
				Mechanisms: []string{ScramSHA256Plus, ScramSHA256},
			})
			if s.cfg.Link.Binding == c.cfg.Link.Binding || !s.cfg.Link.isBound() || !c.cfg.Link.isBound() {
				t.Fatal("the two connections have one binding, or none")
			}

			ctx := ztest.Context(t)
			carry := func(from, to *zmtp.Conn, message [][]byte) [][]byte {
				ztest.Must(t, from.Send(ctx, message...))
				message, err := to.Recv(ctx)
				ztest.Must(t, err)
				for i := range message {
					message[i] = slices.Clone(message[i])
				}
				return message
			}
			var serverErr, clientErr error
			message, err := c.Start()
			for ztest.Must(t, err); message != nil; {
				message = carry(fromMiddle, service, carry(victim, toMiddle, message))
				message, err = s.Handle(ctx, message)
				if err != nil {
					serverErr = err
				}
				message = carry(service, fromMiddle, message)
				if string(message[0]) == "ORLY" && len(message) == 2+len(test.offer) && test.shown != nil && c.Mechanism() == "" {
					message = slices.Concat(message[:1], frames(test.shown...), message[len(message)-1:])
				}
				message, clientErr = c.Handle(carry(toMiddle, victim, message))
			}
			if _, ok := s.User(); ok != test.done || c.Done() != test.done {
				t.Errorf("admitted: %v, done: %v", ok, c.Done())
			}
			checkError(t, "server", serverErr, test.server)
			if !test.done {
				checkRefused(t, clientErr, c.cfg.Mechanisms[boolean(test.shown != nil)], zap.StatusRefused)
			}
			if g.admitted != boolean(test.done) {
				t.Errorf("the gate admitted %d", g.admitted)
			}
		})
	}
}

// connect makes a CURVE connection over loopback. Its server admits every key.
func connect(t *testing.T, client, server curve.SecretKey) (clientConn, serverConn *zmtp.Conn) {
	t.Helper()
	return zaptest.Pipe(t,
		zmtp.Config{SocketType: "DEALER", Mechanism: zap.Curve, Key: client, ServerKey: server.Public()},
		zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Curve, Key: server, Handler: zap.HandlerFunc(everyone)})
}

func everyone(context.Context, *zap.Request) zap.Reply { return zap.Allow("") }

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestNotForSockets: a ZMTP socket refuses a SASL handshake that is relayed to it, even if both
// have the same key. The control is the same handshake with a socket's claims.
func TestNotForSockets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		claims func() ([]byte, error)
		want   bool
	}{
		{"of SASL", func() ([]byte, error) { return appendOffer(strongest) }, false},
		{"of a socket", func() ([]byte, error) { return zap.Metadata{{Name: "Socket-Type", Value: "DEALER"}}.Append(nil) }, true},
	} {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close() })
		admitted := make(chan error, 1)
		go func() {
			conn, err := zmtp.Server(t.Context(), far, zmtp.Config{
				SocketType: "ROUTER", Mechanism: zap.Curve, Key: testServer, Handler: zap.HandlerFunc(everyone),
			})
			if err == nil {
				err = conn.CloseNow()
			}
			far.Close()
			admitted <- err
		}()
		greeting := make([]byte, 64)
		copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00CURVE")
		go io.CopyN(near, bytes.NewReader(greeting), 64)
		_, err := io.ReadFull(near, make([]byte, 64))
		ztest.Must(t, err)

		client, err := curve.NewClient(testKey, testServer.Public())
		ztest.Must(t, err)
		hello, err := client.Hello(nil)
		ztest.Must(t, err)
		_, err = near.Write(append([]byte{4, byte(len(hello))}, hello...))
		ztest.Must(t, err)
		welcome := make([]byte, 2+168)
		_, err = io.ReadFull(near, welcome)
		ztest.Must(t, err)
		claims, err := test.claims()
		ztest.Must(t, err)
		initiate, err := client.HandleWelcome(nil, welcome[2:], claims)
		ztest.Must(t, err)
		go io.Copy(io.Discard, near)
		frame := binary.BigEndian.AppendUint64([]byte{6}, uint64(len(initiate)))
		_, err = near.Write(append(frame, initiate...))
		ztest.Must(t, err)
		if err := ztest.Receive(t, "the server's decision", admitted); (err == nil) != test.want {
			t.Errorf("a handshake %s: %v", test.name, err)
		}
	}
}
