//go:build cgo && unix

package zmq4_test

import (
	"fmt"
	"testing"

	libzmq "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestCorrelateLibzmq exchanges numbered requests with libzmq.
func TestCorrelateLibzmq(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	for _, theirs := range []libzmq.Type{libzmq.REP, libzmq.ROUTER} {
		sock := zmqtest.NewSocket(t, zctx, theirs)
		req := open(t, zmq4.NewReq, zmq4.WithCorrelate())
		ztest.Must(t, req.Dial(zmqtest.Bind(t, sock, "tcp")))
		for i := range 3 {
			ztest.Must(t, req.Send(zmq4.NewMsgString(fmt.Sprint(i))))
			question, err := sock.RecvMessageBytes(0)
			ztest.Must(t, err)
			_, err = sock.SendMessage(question)
			ztest.Must(t, err)
			if msg := recv(t, req); string(msg.Bytes()) != fmt.Sprint(i) {
				t.Errorf("%v replies %q", theirs, msg.Bytes())
			}
		}
	}
	for _, of := range []newSocket{zmq4.NewRep, zmq4.NewRouter} {
		ours, sock := open(t, of), zmqtest.NewSocket(t, zctx, libzmq.REQ)
		ztest.Must(t, sock.SetReqCorrelate(1), sock.SetReqRelaxed(1), sock.Connect(listen(t, ours, "tcp")))
		for i := range 3 {
			_, err := sock.SendMessage(fmt.Sprint(i))
			ztest.Must(t, err)
			ztest.Must(t, ours.Send(recv(t, ours)))
			reply, err := sock.RecvMessage(0)
			if err != nil || fmt.Sprint(reply) != fmt.Sprint([]int{i}) {
				t.Errorf("%v replies %q, %v", ours.Type(), reply, err)
			}
		}
	}
}
