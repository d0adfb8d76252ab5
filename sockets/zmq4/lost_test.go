package zmq4_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestReceivesAfterWriteFails: a peer sends messages and leaves, and this side sends more
// before it has received them. None of them is lost.
func TestReceivesAfterWriteFails(t *testing.T) {
	t.Parallel()
	peer := open(t, zmq4.NewDealer)
	slow := open(t, zmq4.NewDealer, zmq4.WithHighWaterMarks(1, 1), zmq4.WithAutomaticReconnect(true), zmq4.WithLinger(0))
	ztest.Must(t, slow.Dial(listen(t, peer, "ipc")))
	const n = 30
	for i := range n {
		ztest.Must(t, peer.Send(zmq4.NewMsgFrom(fmt.Append(nil, i), bytes.Repeat([]byte("x"), 4<<10))))
	}
	peer.Close()
	full := 0
	ztest.Wait(t, "a write that fails", func() bool {
		if zmq4.TrySend(slow, zmq4.NewMsgString("to nobody")) == zmq4.ErrAgain {
			full++
		} else {
			full = 0
		}
		return full > 20
	})
	for i := range n {
		ctx, cancel := context.WithTimeout(ztest.Context(t), ztest.Patience)
		defer cancel()
		msg, err := zmq4.RecvContext(ctx, slow)
		ztest.Must(t, err)
		if string(msg.Frames[0]) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, msg.Frames[0])
		}
	}
}

// TestEachReplyLost: Recv returns io.EOF for each reply that is lost, to each that waits.
func TestEachReplyLost(t *testing.T) {
	t.Parallel()
	router, req := open(t, zmq4.NewRouter), open(t, zmq4.NewReq, zmq4.WithReconnect(0, 0))
	ztest.Must(t, req.Dial(listen(t, router, "tcp")))
	const n = 3
	for range n {
		ztest.Must(t, req.Send(zmq4.NewMsgString("question")))
		recv(t, router)
	}
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := req.Recv()
			errs <- err
		}()
	}
	router.Close()
	for range n {
		if err := ztest.Receive(t, "an error", errs); err != io.EOF {
			t.Errorf("got %v", err)
		}
	}
}

// TestLossBeforeRequest: with WithCorrelate, the loss of an abandoned request's reply is no
// error of the next request.
func TestLossBeforeRequest(t *testing.T) {
	t.Parallel()
	lost, losses := eventsOf(sockets.Lost)
	first, req := open(t, zmq4.NewRouter), open(t, zmq4.NewReq, zmq4.WithCorrelate(), keeps, lost)
	at := listen(t, first, "ipc")
	ztest.Must(t, req.Dial(at), req.Send(zmq4.NewMsgString("one")))
	recv(t, first)
	first.Close()
	ztest.Receive(t, "a loss", losses)
	second := open(t, zmq4.NewRep)
	ztest.Must(t, second.Listen(at), req.Send(zmq4.NewMsgString("two")))
	wantMsg(t, second, "two")
	ztest.Must(t, second.Send(zmq4.NewMsgString("answer")))
	wantMsg(t, req, "answer")
}

// TestRequestWithoutPeer: a REQ whose only peer has left accepts no request, and each Recv
// that waits returns an error.
func TestRequestWithoutPeer(t *testing.T) {
	t.Parallel()
	lost, losses := eventsOf(sockets.Lost)
	rep, req := open(t, zmq4.NewRep), open(t, zmq4.NewReq, lost)
	ztest.Must(t, req.Dial(listen(t, rep, "tcp")))
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			_, err := req.Recv()
			errs <- err
		}()
	}
	rep.Close()
	ztest.Receive(t, "a loss", losses)
	for range cap(errs) {
		if err := ztest.Receive(t, "an error", errs); err == nil {
			t.Error("Recv returns no error")
		}
	}
	if err := req.Send(zmq4.NewMsgString("question")); err == nil {
		t.Error("Send accepts a request")
	}
}

// TestSecondDial: a PAIR dials one peer.
func TestSecondDial(t *testing.T) {
	t.Parallel()
	peer, other := open(t, zmq4.NewPair), open(t, zmq4.NewPair)
	pair := open(t, zmq4.NewPair, keeps)
	ztest.Must(t, pair.Dial(listen(t, peer, "tcp")))
	if err := pair.Dial(listen(t, other, "tcp")); err == nil {
		t.Error("a PAIR dials two peers")
	}
	for range 4 {
		ztest.Must(t, pair.Send(zmq4.NewMsgString("hello")))
		wantMsg(t, peer, "hello")
	}
}

// TestDeadlineOfSocket ends a socket with the deadline of its context.
func TestDeadlineOfSocket(t *testing.T) {
	t.Parallel()
	for range 200 {
		ctx, cancel := context.WithTimeout(ztest.Context(t), time.Millisecond)
		defer cancel()
		pull, push := zmq4.NewPull(ctx), zmq4.NewPush(ctx)
		if _, err := pull.Recv(); err != context.Canceled {
			t.Fatalf("Recv: %v", err)
		}
		if err := push.Send(zmq4.NewMsgString("x")); err != context.Canceled {
			t.Fatalf("Send: %v", err)
		}
		pull.Close()
		push.Close()
	}
}

// TestLargest: Send refuses what no socket of this package receives. The receiver would end
// the connection, again and again.
func TestLargest(t *testing.T) {
	t.Parallel()
	tooLarge := zmq4.NewMsg(make([]byte, 64<<20+1))
	for _, of := range []newSocket{zmq4.NewPush, zmq4.NewPub, zmq4.NewReq} {
		s := open(t, of, keeps)
		ztest.Must(t, s.Dial("tcp://127.0.0.1:1"))
		for _, msg := range []zmq4.Msg{tooLarge, zmq4.NewMsgFrom(make([][]byte, 4097)...)} {
			if err := zmq4.TrySend(s, msg); err == nil || err == zmq4.ErrAgain {
				t.Errorf("%s: %v", s.Type(), err)
			}
		}
	}
}

// TestRefusedMessage: a message that the peer ends each connection for does not keep those
// behind it waiting.
func TestRefusedMessage(t *testing.T) {
	t.Parallel()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	l, err := zmtp.NewListener(nl, zmtp.Config{SocketType: "PULL", Mechanism: zap.Null, MaxMessageSize: 1 << 20})
	ztest.Must(t, err)
	defer l.Close()
	push := open(t, zmq4.NewPush, keeps)
	ztest.Must(t, push.Dial("tcp://"+nl.Addr().String()))
	ztest.Must(t, push.Send(zmq4.NewMsg(make([]byte, 32<<20))), push.Send(zmq4.NewMsgString("small")))
	for {
		ctx := ztest.Context(t)
		c, err := l.Accept(ctx)
		ztest.Must(t, err)
		msg, err := c.Recv(ctx)
		c.CloseNow()
		if err == nil && string(msg[0]) == "small" {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("nothing arrives")
		}
	}
}

// TestUnsentRequestLost: a REQ that listens loses its peer with a request that the peer has
// not read.
func TestUnsentRequestLost(t *testing.T) {
	t.Parallel()
	req := open(t, zmq4.NewReq, zmq4.WithReconnect(0, 0), zmq4.WithLinger(0))
	nc, err := net.Dial("unix", strings.TrimPrefix(listen(t, req, "ipc"), "ipc://"))
	ztest.Must(t, err)
	defer nc.Close()
	_, err = zmq4.Open(nc, null.Security(), zmq4.Rep, nil, false, nil) // never reads
	ztest.Must(t, err)
	const n = 10
	large := zmq4.NewMsg(make([]byte, 1<<20))
	for range n {
		ztest.Wait(t, "room", func() bool { return zmq4.TrySend(req, large) == nil })
	}
	nc.Close()
	for range n {
		if _, err := req.Recv(); err != io.EOF {
			t.Fatalf("got %v", err)
		}
	}
}
