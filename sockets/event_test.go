package sockets_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func TestEvent(t *testing.T) {
	t.Parallel()
	const at = "tcp://192.0.2.1:5555"
	for _, test := range []struct {
		event sockets.Event
		text  string
	}{
		{sockets.Event{Kind: sockets.Listening}, "listening"},
		{sockets.Event{Kind: sockets.Ready}, "connected"},
		{sockets.Event{Kind: sockets.Ready, User: zmtp.User{ID: "alice"}, Peer: "192.0.2.7:4000"}, `connected to "alice" (192.0.2.7:4000)`},
		{sockets.Event{Kind: sockets.Failed, Err: &zmtp.RefusedError{Reply: zap.Reply{Status: zap.StatusRefused}}, Retry: 5 * time.Second},
			"refused by server: 400 (not admitted; ask its operator); trying again in 5s"},
		{sockets.Event{Kind: sockets.Failed, Err: zmtp.ErrServerKey}, "server closed the connection on HELLO: the server key is probably wrong"},
		{sockets.Event{Kind: sockets.Failed, Err: fmt.Errorf("zmtp: %w", zmtp.ErrIncompatible)}, "incompatible peer"},
		{sockets.Event{Kind: sockets.Failed, Err: &zmtp.SocketTypeError{Ours: "PUSH", Theirs: "SUB\n"}},
			`incompatible socket types: this side is a PUSH, the peer a "SUB\n"`},
		{sockets.Event{Kind: sockets.Failed, Err: fmt.Errorf("zmtp: server closed the connection on HELLO: %w", io.EOF)}, "server closed the connection on HELLO"},
		{sockets.Event{Kind: sockets.Lost, Err: io.EOF, Retry: 40 * time.Millisecond}, "the peer closed the connection; trying again in 40ms"},
		{sockets.Event{Kind: sockets.Lost, Err: zmtp.ErrHeartbeat}, "peer is silent: heartbeat timed out"},
		{sockets.Event{Kind: sockets.Lost, Err: errors.New("reset")}, "reset"},
		{sockets.Event{Kind: sockets.Lost}, "no reason is known"},
		{sockets.Event{Kind: sockets.Lost, User: zmtp.User{ID: "alice"}, Peer: "192.0.2.7:4000", Err: io.EOF},
			`"alice": the peer closed the connection (192.0.2.7:4000)`},
		// Addresses that the event has anyway.
		{sockets.Event{Kind: sockets.Failed, Err: errors.New("zmtp: handshake with 192.0.2.1:5555: no")}, "no"},
		{sockets.Event{Kind: sockets.Failed, Err: errors.New("zmtp: handshake with 192.0.2.2:5555: no")}, "192.0.2.2:5555: no"},
		{sockets.Event{Kind: sockets.Failed, Err: errors.New("connecting to " + at + " failed: dial tcp: no")}, "dial tcp: no"},
		{sockets.Event{Kind: sockets.Failed, Peer: "192.0.2.7:4000", Err: errors.New("zmtp: handshake with 192.0.2.7:4000: no")}, "no (192.0.2.7:4000)"},
	} {
		test.event.Endpoint = at
		if text := test.event.String(); text != at+": "+test.text {
			t.Errorf("got  %s\nwant %s: %s", text, at, test.text)
		}
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	for kind, text := range map[sockets.Kind]string{sockets.Listening: "listening", sockets.Ready: "ready", sockets.Failed: "failed",
		sockets.Lost: "lost", 0: "Kind(0)"} {
		if kind.String() != text {
			t.Errorf("got %s, want %s", kind, text)
		}
	}
}
