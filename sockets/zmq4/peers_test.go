package zmq4_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// eventsOf returns an option, and the events of the kind.
func eventsOf(kind sockets.Kind) (zmq4.Option, <-chan sockets.Event) {
	events := make(chan sockets.Event, 1000)
	return zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == kind {
			events <- e
		}
	}), events
}

// once makes a socket not connect again during a test.
var once = zmq4.WithReconnect(time.Hour, time.Hour)

// TestHandover: a new peer takes the routing id of another with WithHandover, and is refused
// without.
func TestHandover(t *testing.T) {
	t.Parallel()
	for _, handover := range []bool{false, true} {
		opts := []zmq4.Option{zmq4.WithMandatory()}
		if handover {
			opts = append(opts, zmq4.WithHandover())
		}
		router := open(t, zmq4.NewRouter, opts...)
		at := listen(t, router, "tcp")
		alice := zmq4.WithID([]byte("alice"))
		lost, losses := eventsOf(sockets.Lost)
		first := open(t, zmq4.NewDealer, alice, lost, once)
		ztest.Must(t, first.Dial(at), first.Send(zmq4.NewMsgString("first")))
		wantMsg(t, router, "alicefirst")
		lost2, losses2 := eventsOf(sockets.Lost)
		second := open(t, zmq4.NewDealer, alice, lost2, once)
		ztest.Must(t, second.Dial(at))
		winner, theirs := first, losses2
		if handover {
			winner, theirs = second, losses
		}
		ztest.Receive(t, "the end of the other's connection", theirs)
		ztest.Must(t, router.Send(zmq4.NewMsgFrom([]byte("alice"), []byte("hello"))))
		wantMsg(t, winner, "hello")
		ztest.Must(t, winner.Send(zmq4.NewMsgString("still here")))
		wantMsg(t, router, "alicestill here")
		first.Close()
		second.Close()
		ztest.Wait(t, "the end of the route", func() bool {
			return errors.Is(router.Send(zmq4.NewMsgFrom([]byte("alice"), []byte("x"))), zmq4.ErrNoRoute)
		})
	}
}

// TestHandoverNeedsKey: where peers prove who they are, nobody takes the routing id of
// another user, and a user takes its own without WithHandover.
func TestHandoverNeedsKey(t *testing.T) {
	t.Parallel()
	server, alice, bob := curve.GenerateKey(), curve.GenerateKey(), curve.GenerateKey()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	router := open(t, zmq4.NewRouter, zmq4.WithHandover(), zmq4.WithSecurity(zmq4.CurveServer(server, "test", handler)))
	at := listen(t, router, "tcp")
	dial := func(key curve.SecretKey) (zmq4.Socket, <-chan sockets.Event) {
		lost, losses := eventsOf(sockets.Lost)
		s := open(t, zmq4.NewDealer, zmq4.WithID([]byte("id")), lost, once, zmq4.WithSecurity(zmq4.CurveClient(key, server.Public())))
		ztest.Must(t, s.Dial(at))
		return s, losses
	}
	first, lost := dial(alice)
	ztest.Must(t, first.Send(zmq4.NewMsgString("1")))
	wantMsg(t, router, "id1")
	_, refused := dial(bob)
	ztest.Receive(t, "the end of bob's connection", refused)
	second, _ := dial(alice)
	ztest.Receive(t, "the end of alice's old connection", lost)
	ztest.Must(t, second.Send(zmq4.NewMsgString("2")))
	wantMsg(t, router, "id2")
}

// TestPair: a PAIR has one peer at a time, and the next one when that has left. A message
// that waits for the next peer reaches it, although another one has tried to connect.
func TestPair(t *testing.T) {
	t.Parallel()
	pair := open(t, zmq4.NewPair, zmq4.WithTimeout(ztest.Patience))
	at := listen(t, pair, "tcp")
	first := open(t, zmq4.NewPair)
	ztest.Must(t, first.Dial(at), first.Send(zmq4.NewMsgString("first")))
	wantMsg(t, pair, "first")
	lost, losses := eventsOf(sockets.Lost)
	second := open(t, zmq4.NewPair, lost, zmq4.WithReconnect(time.Millisecond, time.Millisecond))
	ztest.Must(t, second.Dial(at))
	for range 10 {
		ztest.Receive(t, "the end of the second's connection", losses)
		ztest.Must(t, pair.Send(zmq4.NewMsgString("to the first")))
		wantMsg(t, first, "to the first")
	}
	first.Close()
	ztest.Must(t, second.Send(zmq4.NewMsgString("second")))
	wantMsg(t, pair, "second")
	ztest.Must(t, pair.Send(zmq4.NewMsgString("to the second")))
	wantMsg(t, second, "to the second")
}

// TestUpstream sends messages of an XSUB to an XPUB, which are no subscriptions.
func TestUpstream(t *testing.T) {
	t.Parallel()
	xpub := open(t, zmq4.NewXPub, zmq4.WithVerbose())
	xsub := open(t, zmq4.NewXSub)
	ztest.Must(t, xsub.Dial(listen(t, xpub, "tcp")))
	other := open(t, zmq4.NewXSub)
	ztest.Must(t, xsub.Send(zmq4.NewMsgString("\x01a")))
	wantMsg(t, xpub, "\x01a")
	ztest.Must(t, xsub.Send(zmq4.NewMsgString("a message")), xsub.Send(zmq4.NewMsgFromString([]string{"\x01", "two frames"})))
	wantMsg(t, xpub, "a message")
	wantMsg(t, xpub, "\x01two frames")
	ztest.Must(t, other.Dial(listen(t, xpub, "ipc")), other.Send(zmq4.NewMsgString("\x01a")))
	wantMsg(t, xpub, "\x01a") // again, as the XPUB is verbose
}

// TestHeartbeat drops a peer that is silent, says why, and connects again.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	for _, dials := range []bool{true, false} {
		lost, losses := eventsOf(sockets.Lost)
		beats := []zmq4.Option{lost, zmq4.WithHeartbeat(20*time.Millisecond, 2*time.Second), zmq4.WithReconnect(0, 0)}
		var pull, push zmq4.Socket
		if dials {
			push, pull = open(t, zmq4.NewPush, beats...), open(t, zmq4.NewPull)
		} else {
			push, pull = open(t, zmq4.NewPush, zmq4.WithReconnect(0, 0)), open(t, zmq4.NewPull, beats...)
		}
		r := newRelay(t, strings.TrimPrefix(listen(t, pull, "tcp"), "tcp://"))
		ztest.Must(t, push.Dial(r.endpoint()), push.Send(zmq4.NewMsgString("one")))
		wantMsg(t, pull, "one")
		// Many heartbeats pass, and the connection stays.
		_, before := r.state()
		ztest.Wait(t, "heartbeats", func() bool { _, now := r.state(); return now > before+500 })
		if n, _ := r.state(); n != 1 || len(losses) > 0 {
			t.Fatalf("%d connections", n)
		}
		r.swallow()
		if e := ztest.Receive(t, "the end of the connection", losses); !errors.Is(e.Err, zmtp.ErrHeartbeat) || !strings.Contains(e.String(), "heartbeat timed out") {
			t.Errorf("lost: %v", e)
		}
	}
}

// TestSentences reads what the events of a socket say.
func TestSentences(t *testing.T) {
	t.Parallel()
	server, alice := curve.GenerateKey(), curve.GenerateKey()
	reply := map[string]zap.Reply{"alice": zap.Allow("alice"), "400": zap.Refuse("no"), "500": {Status: zap.StatusError, Text: "broken"}}
	keys := map[curve.PublicKey]string{alice.Public(): "alice"}
	clients := map[string]curve.SecretKey{"alice": alice}
	for _, status := range []string{"400", "500"} {
		key := curve.GenerateKey()
		keys[key.Public()], clients[status] = status, key
	}
	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		key, _ := req.CurveKey()
		return reply[keys[key]]
	})
	ready, readies := eventsOf(sockets.Ready)
	pull := open(t, zmq4.NewPull, ready, zmq4.WithSecurity(zmq4.CurveServer(server, "test", handler)))
	at := listen(t, pull, "tcp")
	for name, test := range map[string]struct {
		of       newSocket
		security zmq4.Security
		want     string
	}{
		"400":       {zmq4.NewPush, zmq4.CurveClient(clients["400"], server.Public()), "refused by server: 400"},
		"500":       {zmq4.NewPush, zmq4.CurveClient(clients["500"], server.Public()), "refused by server: 500"},
		"key":       {zmq4.NewPush, zmq4.CurveClient(alice, curve.GenerateKey().Public()), "the server key is probably wrong"},
		"mechanism": {zmq4.NewPush, nil, "mechanism"},
		"type":      {zmq4.NewSub, zmq4.CurveClient(alice, server.Public()), "incompatible socket types"},
	} {
		failed, failures := eventsOf(sockets.Failed)
		s := open(t, test.of, failed, zmq4.WithReconnect(0, 0), zmq4.WithSecurity(test.security))
		ztest.Must(t, s.Dial(at))
		e := ztest.Receive(t, "an event", failures)
		if text := e.String(); !strings.HasPrefix(text, at+": ") || !strings.Contains(text, test.want) || !strings.Contains(text, "; trying again in ") {
			t.Errorf("%s: %s", name, text)
		}
		s.Close()
	}
	lost, losses := eventsOf(sockets.Lost)
	push := open(t, zmq4.NewPush, lost, zmq4.WithReconnect(0, 0), zmq4.WithSecurity(zmq4.CurveClient(alice, server.Public())))
	ztest.Must(t, push.Dial(at))
	if e := ztest.Receive(t, "an event", readies); !strings.Contains(e.String(), `connected to "alice"`) || e.User.Key != alice.Public() {
		t.Errorf("ready: %v", e)
	}
	pull.Close()
	if e := ztest.Receive(t, "an event", losses); e.Err != io.EOF && !errors.Is(e.Err, io.EOF) || !strings.HasPrefix(e.String(), at+": the peer closed the connection") {
		t.Errorf("lost: %v", e)
	}
}

// TestWrongKeyOnce tries again at once after a server has closed the connection on HELLO, as
// one does that is killed, and slowly after it has done so twice.
func TestWrongKeyOnce(t *testing.T) {
	t.Parallel()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	pull := open(t, zmq4.NewPull, zmq4.WithSecurity(zmq4.CurveServer(curve.GenerateKey(), "test", handler)))
	failed, failures := eventsOf(sockets.Failed)
	push := open(t, zmq4.NewPush, failed, zmq4.WithReconnect(0, 0), zmq4.WithSecurity(zmq4.CurveClient(curve.GenerateKey(), curve.GenerateKey().Public())))
	ztest.Must(t, push.Dial(listen(t, pull, "tcp")))
	if e := ztest.Receive(t, "a failure", failures); !errors.Is(e.Err, zmtp.ErrServerKey) || e.Retry > 200*time.Millisecond {
		t.Errorf("first: %v", e)
	}
	if e := ztest.Receive(t, "a failure", failures); !errors.Is(e.Err, zmtp.ErrServerKey) || e.Retry < 5*time.Second {
		t.Errorf("second: %v", e)
	}
}

// TestPausesGrowAfterRefusals waits longer each time after the peer has closed a connection
// as soon as it was there.
func TestPausesGrowAfterRefusals(t *testing.T) {
	t.Parallel()
	pair, first := open(t, zmq4.NewPair), open(t, zmq4.NewPair)
	at := listen(t, pair, "tcp")
	ztest.Must(t, first.Dial(at), first.Send(zmq4.NewMsgString("first")))
	wantMsg(t, pair, "first")
	lost, losses := eventsOf(sockets.Lost)
	second := open(t, zmq4.NewPair, lost, zmq4.WithReconnect(time.Millisecond, time.Hour))
	ztest.Must(t, second.Dial(at))
	for pause := time.Duration(0); pause < 20*time.Millisecond; {
		pause = ztest.Receive(t, "a refusal", losses).Retry
	}
}
