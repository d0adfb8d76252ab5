//go:build cgo && unix

package zmq4_test

import (
	"testing"

	libzmq4 "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestSubscribedTwice subscribes twice to a topic and ends both subscriptions, from libzmq
// and to it. An XPUB receives both, if it is verbose, and one end.
func TestSubscribedTwice(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	zctx := zmqtest.NewContext(t)
	ours := open(t, zmq4.NewXPub, zmq4.WithVerbose())
	theirs := zmqtest.NewSocket(t, zctx, libzmq4.XPUB)
	ztest.Must(t, theirs.SetXpubVerbose(1))
	want := []string{"\x01a", "\x01a", "\x00a", "\x01end"}

	sub := zmqtest.NewSocket(t, zctx, libzmq4.SUB)
	ztest.Must(t, sub.Connect(listen(t, ours, "tcp")), sub.SetSubscribe("a"), sub.SetSubscribe("a"),
		sub.SetUnsubscribe("a"), sub.SetUnsubscribe("a"), sub.SetSubscribe("end"))
	for i := range want {
		ztest.Wait(t, "a subscription", func() bool {
			sub.GetEvents() // libzmq notices the connection on the next call
			msg, err := zmq4.TryRecv(ours)
			if err != nil {
				return false
			}
			if string(msg.Bytes()) != want[i] {
				t.Errorf("from libzmq: subscription %d is %v", i, msg)
			}
			return true
		})
	}
	if topics := ours.(zmq4.Topics).Topics(); len(topics) != 1 || topics[0] != "end" {
		t.Errorf("topics %q", topics)
	}

	xsub := open(t, zmq4.NewXSub)
	ztest.Must(t, xsub.Dial(zmqtest.Bind(t, theirs, "tcp")))
	for _, m := range []string{"\x01a", "\x01a", "\x00a", "\x00a", "\x01end"} {
		ztest.Must(t, xsub.Send(zmq4.NewMsgString(m)))
	}
	for i := range want {
		got, err := theirs.Recv(0)
		ztest.Must(t, err)
		if got != want[i] {
			t.Errorf("to libzmq: subscription %d is %q", i, got)
		}
	}
}
