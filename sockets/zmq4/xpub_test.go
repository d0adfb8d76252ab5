package zmq4_test

import (
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

func wantMsg(t *testing.T, s zmq4.Socket, want string) {
	t.Helper()
	if msg := recv(t, s); string(msg.Bytes()) != want {
		t.Errorf("got %v, want %q", msg, want)
	}
}

// TestManual maps the topics of subscribers to others.
func TestManual(t *testing.T) {
	t.Parallel()
	xpub := open(t, zmq4.NewXPub, zmq4.WithManual())
	at := listen(t, xpub, "tcp")
	alice, bob := open(t, zmq4.NewXSub), open(t, zmq4.NewXSub)
	for i, s := range []zmq4.Socket{alice, bob} {
		ztest.Must(t, s.Dial(at), s.Send(zmq4.NewMsgString("\x01news")))
		wantMsg(t, xpub, "\x01news")
		ztest.Must(t, xpub.SetOption(zmq4.OptionSubscribe, []string{"A", "B"}[i]))
	}
	for _, text := range []string{"news", "A1", "B1", "A2", "B2"} {
		ztest.Must(t, xpub.Send(zmq4.NewMsgString(text)))
	}
	wantMsg(t, alice, "A1")
	wantMsg(t, alice, "A2")
	wantMsg(t, bob, "B1")
	wantMsg(t, bob, "B2")
	ztest.Must(t, alice.Send(zmq4.NewMsgString("\x00news")))
	wantMsg(t, xpub, "\x00news")
	ztest.Must(t, xpub.SetOption(zmq4.OptionUnsubscribe, "A"))
	ztest.Must(t, alice.Send(zmq4.NewMsgString("\x01last")))
	wantMsg(t, xpub, "\x01last")
	ztest.Must(t, xpub.SetOption(zmq4.OptionSubscribe, "last"))
	ztest.Must(t, xpub.Send(zmq4.NewMsgString("A3")), xpub.Send(zmq4.NewMsgString("last")))
	wantMsg(t, alice, "last")
	bob.Close()
	wantMsg(t, xpub, "\x00news")
}

// TestLostSubscriber tells an XPUB that nobody needs a topic any longer.
func TestLostSubscriber(t *testing.T) {
	t.Parallel()
	xpub := open(t, zmq4.NewXPub)
	at := listen(t, xpub, "tcp")
	alice, bob := open(t, zmq4.NewSub), open(t, zmq4.NewSub)
	ztest.Must(t, alice.SetOption(zmq4.OptionSubscribe, "both"), bob.SetOption(zmq4.OptionSubscribe, "both"),
		bob.SetOption(zmq4.OptionSubscribe, "bob"), alice.Dial(at))
	wantMsg(t, xpub, "\x01both")
	ztest.Must(t, bob.Dial(at))
	wantMsg(t, xpub, "\x01bob")
	bob.Close()
	wantMsg(t, xpub, "\x00bob")
	alice.Close()
	wantMsg(t, xpub, "\x00both")
}
