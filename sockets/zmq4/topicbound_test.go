package zmq4_test

import (
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestSubscriptionsAreBounded subscribes to ever more topics, until the publisher ends the
// connection. Another subscriber stays.
func TestSubscriptionsAreBounded(t *testing.T) {
	t.Parallel()
	pub, sub := open(t, zmq4.NewPub), open(t, zmq4.NewSub)
	at := listen(t, pub, "ipc")
	ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, "topic"), sub.Dial(at))
	ctx := ztest.Context(t)
	hostile, err := zmtp.Dial(ctx, at, zmtp.Config{SocketType: "SUB", Mechanism: zap.Null})
	ztest.Must(t, err)
	defer hostile.CloseNow()
	topic := make([]byte, 1<<20)
	topics := 0
	for ; topics < 100; topics++ {
		topic[len(topic)-1] = byte(topics)
		if err = hostile.Subscribe(ctx, topic); err == nil {
			err = hostile.Flush(ctx)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		t.Fatalf("a peer has subscribed to %d topics of %d bytes", topics, len(topic))
	}
	ztest.Wait(t, "the end of the hostile peer", func() bool { return len(pub.(zmq4.Topics).Topics()) == 1 })
	ztest.Must(t, pub.Send(zmq4.NewMsgString("topic")))
	if msg := recv(t, sub); string(msg.Bytes()) != "topic" {
		t.Errorf("got %v", msg)
	}
}
