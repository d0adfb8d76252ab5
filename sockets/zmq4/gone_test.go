package zmq4_test

import (
	"bytes"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestGoneBeforeRecv: a ROUTER has not received all that a peer has sent before it left. That
// peer has no route as soon as writing to it has failed, and nothing that it sent is lost.
func TestGoneBeforeRecv(t *testing.T) {
	t.Parallel()
	ready, readies := eventsOf(sockets.Ready)
	router := open(t, zmq4.NewRouter, zmq4.WithMandatory(), zmq4.WithHighWaterMarks(1, 1), ready)
	at := listen(t, router, "ipc")
	id := zmq4.WithID([]byte("id"))
	first := open(t, zmq4.NewDealer, id)
	ztest.Must(t, first.Dial(at))
	const n = 30
	for range n {
		ztest.Must(t, first.Send(zmq4.NewMsg(bytes.Repeat([]byte("x"), 4<<10))))
	}
	ztest.Receive(t, "a connection", readies)
	first.Close()
	ztest.Wait(t, "the end of the route", func() bool {
		return zmq4.TrySend(router, zmq4.NewMsgFromString([]string{"id", "hello"})) == zmq4.ErrNoRoute
	})
	for range n {
		recv(t, router)
	}
}
