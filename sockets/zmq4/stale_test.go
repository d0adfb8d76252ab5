package zmq4_test

import (
	"context"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// keeps makes a socket connect again at once.
var keeps = zmq4.WithReconnect(time.Millisecond, time.Millisecond)

// TestStaleReply: a REP that dials answers nobody but the peer that has asked, although
// another one is at the endpoint by then.
func TestStaleReply(t *testing.T) {
	t.Parallel()
	ready, readies := eventsOf(sockets.Ready)
	rep := open(t, zmq4.NewRep, ready, keeps)
	first := open(t, zmq4.NewDealer)
	at := listen(t, first, "ipc")
	ztest.Must(t, rep.Dial(at))
	ztest.Receive(t, "a connection", readies)
	for _, question := range []string{"one", "two"} {
		ztest.Must(t, first.Send(zmq4.NewMsgFromString([]string{"", question})))
	}
	wantMsg(t, rep, "one")
	first.Close()
	second := open(t, zmq4.NewDealer)
	ztest.Must(t, second.Listen(at))
	ztest.Receive(t, "a connection", readies)
	ztest.Must(t, rep.Send(zmq4.NewMsgString("answer to one")))
	wantMsg(t, rep, "two")
	ztest.Must(t, rep.Send(zmq4.NewMsgString("answer to two")))
	ztest.Must(t, second.Send(zmq4.NewMsgFromString([]string{"", "three"})))
	wantMsg(t, rep, "three")
	ztest.Must(t, rep.Send(zmq4.NewMsgString("answer to three")))
	wantMsg(t, second, "answer to three")
}

// TestRouteOfAnother: what a ROUTER that dials has queued for one peer does not go to another
// one at the endpoint. A peer without an identity keeps the one that the ROUTER gave it.
func TestRouteOfAnother(t *testing.T) {
	t.Parallel()
	for _, ids := range [][2]string{{"alice", "bob"}, {"", ""}} {
		ready, readies := eventsOf(sockets.Ready)
		router := open(t, zmq4.NewRouter, zmq4.WithMandatory(), ready, keeps)
		first := open(t, zmq4.NewDealer, zmq4.WithID([]byte(ids[0])))
		at := listen(t, first, "ipc")
		ztest.Must(t, router.Dial(at))
		ztest.Receive(t, "a connection", readies)
		ztest.Must(t, first.Send(zmq4.NewMsgString("hello")))
		id := recv(t, router).Frames[0]
		first.Close()
		ztest.Must(t, router.Send(zmq4.NewMsgFrom(id, []byte("lost or kept"))), router.Send(zmq4.NewMsgFrom(id, []byte("for the first"))))
		second := open(t, zmq4.NewDealer, zmq4.WithID([]byte(ids[1])))
		ztest.Must(t, second.Listen(at))
		ztest.Receive(t, "a connection", readies)
		ztest.Must(t, second.Send(zmq4.NewMsgString("hello")))
		again := recv(t, router).Frames[0]
		if same := string(again) == string(id); same != (ids[0] == "") {
			t.Errorf("%q is %q now", id, again)
		}
		ztest.Must(t, router.Send(zmq4.NewMsgFrom(again, []byte("for the second"))))
		for got := ""; got != "for the second"; {
			if got = string(recv(t, second).Bytes()); got == "for the first" && ids[0] != "" {
				t.Errorf("%s received %q", ids[1], got)
			}
		}
	}
}

// TestManualOfAnother: a program that answers alice's subscription after bob has come to her
// endpoint subscribes nobody.
func TestManualOfAnother(t *testing.T) {
	t.Parallel()
	server, alice, bob := curve.GenerateKey(), curve.GenerateKey(), curve.GenerateKey()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	ready, readies := eventsOf(sockets.Ready)
	xpub := open(t, zmq4.NewXPub, zmq4.WithManual(), ready, keeps, zmq4.WithSecurity(zmq4.CurveServer(server, "test", handler)))
	as := func(key curve.SecretKey) zmq4.Option {
		return zmq4.WithSecurity(zmq4.CurveClient(key, server.Public()))
	}
	first := open(t, zmq4.NewXSub, as(alice))
	at := listen(t, first, "ipc")
	ztest.Must(t, xpub.Dial(at), first.Send(zmq4.NewMsgString("\x01secret")))
	ztest.Receive(t, "a connection", readies)
	wantMsg(t, xpub, "\x01secret")
	first.Close()
	second := open(t, zmq4.NewXSub, as(bob))
	ztest.Must(t, second.Listen(at), second.Send(zmq4.NewMsgString("\x01open")))
	ztest.Receive(t, "a connection", readies)
	ztest.Must(t, xpub.SetOption(zmq4.OptionSubscribe, "secret"))
	msg := recv(t, xpub)
	if string(msg.Bytes()) != "\x00secret" || msg.From().Key != alice.Public() {
		t.Errorf("got %v from %v", msg, msg.From().Key)
	}
	ztest.Must(t, xpub.SetOption(zmq4.OptionSubscribe, "secret"))
	wantMsg(t, xpub, "\x01open")
	ztest.Must(t, xpub.SetOption(zmq4.OptionSubscribe, "open"))
	ztest.Must(t, xpub.Send(zmq4.NewMsgString("secret plan")), xpub.Send(zmq4.NewMsgString("open plan")))
	wantMsg(t, second, "open plan")
}

// TestNobodyIsNotTheSame: two clients whom the handler gives no user id are not the same
// user, so neither takes the other's routing id.
func TestNobodyIsNotTheSame(t *testing.T) {
	t.Parallel()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Reply{Status: zap.StatusOK, Metadata: zap.Metadata{{Name: "X-Group", Value: "users"}}}
	})
	router := open(t, zmq4.NewRouter, zmq4.WithSecurity(zmq4.PlainServer("test", handler)))
	at := listen(t, router, "tcp")
	dial := func(name string) (zmq4.Socket, <-chan sockets.Event) {
		lost, losses := eventsOf(sockets.Lost)
		s := open(t, zmq4.NewDealer, zmq4.WithID([]byte("id")), lost, once, zmq4.WithSecurity(zmq4.PlainClient(name, zap.NewPassword(name))))
		ztest.Must(t, s.Dial(at))
		return s, losses
	}
	first, _ := dial("alice")
	ztest.Must(t, first.Send(zmq4.NewMsgString("1")))
	wantMsg(t, router, "id1")
	_, refused := dial("bob")
	ztest.Receive(t, "the end of bob's connection", refused)
	ztest.Must(t, router.Send(zmq4.NewMsgFromString([]string{"id", "for alice"})))
	wantMsg(t, first, "for alice")
}
