package zmq4_test

import (
	"net"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestForeignComesDuringClose: a peer that answers while Close waits for another one does not
// keep Close waiting.
func TestForeignComesDuringClose(t *testing.T) {
	t.Parallel()
	pull := open(t, zmq4.NewPull, withToy, keeps)
	accept := func() func() *zmq4.Conn {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ztest.Must(t, err)
		t.Cleanup(func() { ln.Close() })
		ztest.Must(t, pull.Dial("tcp://"+ln.Addr().String()))
		return func() *zmq4.Conn {
			nc, err := ln.Accept()
			ztest.Must(t, err)
			t.Cleanup(func() { nc.Close() })
			c, err := zmq4.Open(nc, toy{0x55}, zmq4.Push, nil, true, nil)
			if err != nil {
				t.Logf("too late: %v", err)
			}
			return c
		}
	}
	first := accept()
	second := accept()
	c := first()
	closed := make(chan error, 1)
	go func() { closed <- pull.Close() }()
	if _, err := c.RecvMsg(); err == nil { // Close has begun
		t.Error("a PULL has sent a message")
	}
	second()
	ztest.Must(t, ztest.Receive(t, "the end of Close", closed))
}
