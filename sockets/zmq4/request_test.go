package zmq4_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestUnasked sends a reply from a peer that has not been asked: it must not be taken for
// the reply of another.
func TestUnasked(t *testing.T) {
	t.Parallel()
	asked, other := open(t, zmq4.NewRouter, zmq4.WithMandatory()), open(t, zmq4.NewRouter, zmq4.WithMandatory())
	req := open(t, zmq4.NewReq, zmq4.WithID(zmq4.SocketIdentity("req")))
	ztest.Must(t, req.Dial(listen(t, asked, "tcp")), req.Dial(listen(t, other, "tcp")))
	// A forged reply, and behind it what shows that REQ has received it: REQ drops both.
	large := make([]byte, 32<<20)
	ztest.Wait(t, "the other peer's connection", func() bool {
		return other.Send(zmq4.NewMsgFrom([]byte("req"), nil, []byte("forged"))) == nil
	})
	ztest.Must(t, other.Send(zmq4.NewMsgFrom([]byte("req"), nil, large)), req.Send(zmq4.NewMsgString("question")))
	question := recv(t, asked)
	ztest.Must(t, asked.Send(zmq4.NewMsgFrom(question.Frames[0], nil, []byte("answer"))))
	if msg := recv(t, req); string(msg.Bytes()) != "answer" {
		t.Errorf("got %.20q", msg.Bytes())
	}
}

// TestLostReply ends a peer that was asked, and one that was not.
func TestLostReply(t *testing.T) {
	t.Parallel()
	asked, other := open(t, zmq4.NewRep), open(t, zmq4.NewRep)
	req := open(t, zmq4.NewReq, zmq4.WithReconnect(0, 0))
	ztest.Must(t, req.Dial(listen(t, asked, "tcp")), req.Send(zmq4.NewMsgString("one")))
	recv(t, asked)
	asked.Close()
	if _, err := req.Recv(); err != io.EOF {
		t.Errorf("the reply is lost, and Recv returns %v", err)
	}
	lone := open(t, zmq4.NewReq, zmq4.WithReconnect(0, 0))
	ztest.Must(t, lone.Dial(listen(t, other, "tcp")))
	other.Close()
	if _, err := zmq4.TryRecv(lone); err != zmq4.ErrAgain {
		t.Errorf("no reply is lost, and Recv returns %v", err)
	}
}

// TestCorrelate abandons requests by sending another one.
func TestCorrelate(t *testing.T) {
	t.Parallel()
	req, router := open(t, zmq4.NewReq, zmq4.WithCorrelate()), open(t, zmq4.NewRouter)
	ztest.Must(t, req.Dial(listen(t, router, "tcp")))
	for round := range 10 {
		var questions []zmq4.Msg
		for i := range 3 {
			ztest.Must(t, req.Send(zmq4.NewMsgString(fmt.Sprint(round, i))))
			questions = append(questions, recv(t, router))
		}
		for _, q := range questions {
			ztest.Must(t, router.Send(q))
		}
		if msg := recv(t, req); string(msg.Bytes()) != fmt.Sprint(round, 2) {
			t.Errorf("round %d: reply %q", round, msg.Bytes())
		}
	}
}

// TestCorrelateStale abandons a request whose reply has arrived.
func TestCorrelateStale(t *testing.T) {
	t.Parallel()
	req, rep := open(t, zmq4.NewReq, zmq4.WithCorrelate()), open(t, zmq4.NewRep)
	ztest.Must(t, req.Dial(listen(t, rep, "tcp")))
	for i := range 100 {
		ztest.Must(t, req.Send(zmq4.NewMsgString(fmt.Sprint(i))))
		ztest.Must(t, rep.Send(recv(t, rep)))
	}
	if msg := recv(t, req); string(msg.Bytes()) != "99" {
		t.Errorf("reply %q", msg.Bytes())
	}
}
