package sasl_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// admit admits every client.
var admit = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
	return zap.Reply{Status: zap.StatusOK, UserID: "alice"}
})

// halves returns both halves of an exchange with CURVE.
func halves(t testing.TB) (*sasl.Client, *sasl.Server) {
	t.Helper()
	keys := curve.GenerateKey()
	key, err := curve.NewServer(keys)
	ztest.Must(t, err)
	server, err := sasl.NewServer(sasl.ServerConfig{Codec: sasl.NOM, Handler: admit, Mechanisms: []string{sasl.Curve}, Curve: key, Link: sasl.Link{Local: true}})
	ztest.Must(t, err)
	client, err := sasl.NewClient(sasl.ClientConfig{Codec: sasl.NOM, Key: curve.GenerateKey(), ServerKey: keys.Public()})
	ztest.Must(t, err)
	return client, server
}

// end is one end of a connection.
type end struct {
	send func(message [][]byte) error
	recv func() ([][]byte, error)
	one  bool // send and recv must not be called at the same time, and send never waits
}

// connEnd is the end of a zmtp.Conn.
func connEnd(t testing.TB, conn *zmtp.Conn) end {
	ctx := ztest.Context(t)
	t.Cleanup(func() { conn.Close() })
	return end{
		send: func(message [][]byte) error { return conn.Send(ctx, message...) },
		recv: func() ([][]byte, error) { return conn.Recv(ctx) },
	}
}

// authenticate runs an exchange over a connection.
func authenticate(t testing.TB, client *sasl.Client, server *sasl.Server, c, s end) {
	t.Helper()
	message, err := client.Start()
	for !client.Done() {
		ztest.Must(t, err, c.send(message))
		message, err = s.recv()
		ztest.Must(t, err)
		message, err = server.Handle(t.Context(), message)
		ztest.Must(t, err, s.send(message))
		message, err = c.recv()
		ztest.Must(t, err)
		message, err = client.Handle(message)
	}
	ztest.Must(t, err)
}

// payload returns the payload of a message: its number, and up to 299 more bytes.
func payload(number int) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(number)), make([]byte, number%300)...)
}

// exchange sends n messages in the layer, and receives as many, each once and in order.
func (e *end) exchange(n int, sealer *curve.Sealer, opener *curve.Opener) error {
	sent := make(chan error, 1)
	send := func() {
		for i := range n {
			sealed, err := sealer.Seal(nil, 0, payload(i))
			if err == nil {
				err = e.send([][]byte{sealed})
			}
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}
	if e.one {
		send()
	} else {
		go send()
	}
	for i := range n {
		message, err := e.recv()
		if err != nil {
			return err
		}
		got, _, err := opener.Open(nil, message[len(message)-1])
		if err != nil {
			return err
		}
		if !bytes.Equal(got, payload(i)) {
			return fmt.Errorf("message %d: %d bytes, begins with %.8x", i, len(got), got)
		}
	}
	return <-sent
}

// carry authenticates over a connection and sends messages in both directions at once.
func carry(t *testing.T, c, s end) {
	t.Helper()
	n := 100_000
	if testing.Short() || ztest.Race {
		n = 1_000
	}
	client, server := halves(t)
	authenticate(t, client, server, c, s)
	if user, ok := server.User(); !ok || user.ID != "alice" || user.Mechanism != sasl.Curve {
		t.Errorf("user %+v, %v", user, ok)
	}
	done := make(chan error, 1)
	go func() {
		sealer, opener := client.Layer()
		done <- c.exchange(n, sealer, opener)
	}()
	sealer, opener := server.Layer()
	ztest.Must(t, s.exchange(n, sealer, opener))
	ztest.Must(t, ztest.Receive(t, "the other end", done))
}

// TestLayerUnraced sends messages in the security layer over a DEALER and a ROUTER of zmtp.
func TestLayerUnraced(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	cfg := zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null}
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", cfg)
	ztest.Must(t, err)
	defer ln.Close()
	cfg.SocketType = "DEALER"
	c, err := zmtp.Dial(ctx, ln.Endpoint(), cfg)
	ztest.Must(t, err)
	s, err := ln.Accept(ctx)
	ztest.Must(t, err)
	carry(t, connEnd(t, c), connEnd(t, s))
}

// inMemory returns both ends of a connection.
func inMemory() (c, s end) {
	there, back := make(chan [][]byte, 1), make(chan [][]byte, 1)
	over := func(out, in chan [][]byte) end {
		return end{
			send: func(message [][]byte) error { out <- message; return nil },
			recv: func() ([][]byte, error) { return <-in, nil },
		}
	}
	return over(there, back), over(back, there)
}

// TestLayerTamperedUnraced checks that a message is refused if it is changed, repeated, sent back or
// overtaken by another, and that this ends the layer.
func TestLayerTamperedUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	type tamper struct {
		name string
		// with returns what arrives in place of a message and the next one. The last of it is
		// to be refused.
		with func(first, next []byte) [][]byte
	}
	tampers := []tamper{
		{"repeated", func(first, _ []byte) [][]byte { return [][]byte{first, first} }},
		{"overtaken", func(first, next []byte) [][]byte { return [][]byte{next, first} }},
		{"cut off", func(first, _ []byte) [][]byte { return [][]byte{first[:len(first)-1]} }},
		{"longer", func(first, _ []byte) [][]byte { return [][]byte{append(first, 0)} }},
		{"empty", func(_, _ []byte) [][]byte { return [][]byte{nil} }},
	}
	for i := range 8 * (curve.MessageOverhead + len(payload(0))) {
		if !testing.Short() || i%8 == i/8%8 {
			tampers = append(tampers, tamper{fmt.Sprintf("bit %d", i), func(first, _ []byte) [][]byte {
				first[i/8] ^= 1 << (i % 8)
				return [][]byte{first}
			}})
		}
	}
	for _, tamper := range tampers {
		client, server := halves(t)
		c, s := inMemory()
		authenticate(t, client, server, c, s)
		sealer, own := client.Layer()
		_, opener := server.Layer()
		var sealed [3][]byte
		for i := range sealed {
			var err error
			sealed[i], err = sealer.Seal(nil, 0, payload(0))
			ztest.Must(t, err)
		}
		wantRefused := func(what string, opener *curve.Opener, message []byte) {
			t.Helper()
			_, _, err := opener.Open(nil, message)
			if _, ok := errors.AsType[*curve.ProtocolError](err); !ok {
				t.Errorf("%s: got %v", what, err)
			}
		}
		wantRefused("sent back", own, sealed[0])
		arrived := tamper.with(sealed[0], sealed[1])
		last := len(arrived) - 1
		for _, message := range arrived[:last] {
			_, _, err := opener.Open(nil, message)
			ztest.Must(t, err)
		}
		wantRefused(tamper.name, opener, arrived[last])
		if _, _, err := opener.Open(nil, sealed[2]); err == nil {
			t.Errorf("%s: the layer still opens messages", tamper.name)
		}
	}
}
