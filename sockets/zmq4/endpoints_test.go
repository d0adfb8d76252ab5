package zmq4_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestManyEndpoints listens at several endpoints of each transport, and dials several, with
// one socket. Each peer gets its own messages, until the socket is closed everywhere.
func TestManyEndpoints(t *testing.T) {
	t.Parallel()
	router := open(t, zmq4.NewRouter, zmq4.WithMandatory())
	var at []string
	for i, transport := range []string{"tcp", "tcp", "ipc", "inproc"} {
		endpoint := listen(t, router, transport)
		at = append(at, endpoint)
		if i == 0 && router.Addr() == nil {
			t.Error("no address")
		}
	}
	ipc2 := "ipc://" + filepath.Join(t.TempDir(), "another")
	ztest.Must(t, router.Listen(ipc2))
	at = append(at, ipc2)
	var dealers []zmq4.Socket
	id := func(i int) zmq4.Option { return zmq4.WithID(zmq4.SocketIdentity(fmt.Sprint("peer", i))) }
	for i := range at {
		dealer := open(t, zmq4.NewDealer, id(i))
		ztest.Must(t, dealer.Dial(at[i]))
		dealers = append(dealers, dealer)
	}
	for i := range 3 {
		dealer := open(t, zmq4.NewDealer, id(len(at)+i))
		ztest.Must(t, router.Dial(listen(t, dealer, "tcp")))
		dealers = append(dealers, dealer)
	}
	for i, dealer := range dealers {
		ztest.Must(t, dealer.Send(zmq4.NewMsgString("hello")))
		msg := recv(t, router)
		if string(msg.Frames[0]) != fmt.Sprint("peer", i) {
			t.Errorf("peer %d is %q", i, msg.Frames[0])
		}
		ztest.Must(t, router.Send(zmq4.NewMsgFrom(msg.Frames[0], fmt.Append(nil, i))))
		wantMsg(t, dealer, fmt.Sprint(i))
	}
	router.Close()
	for _, endpoint := range at {
		dealer := open(t, zmq4.NewDealer, zmq4.WithDialerMaxRetries(0))
		if err := dealer.Dial(endpoint); err == nil {
			t.Errorf("%s: still open", endpoint)
		}
	}
}

// TestAddresses listens at wildcards, and at an address of IPv6 if the machine has one.
func TestAddresses(t *testing.T) {
	t.Parallel()
	addresses := []string{"tcp://*:*", "tcp://*:0", "tcp://:0", "tcp://127.0.0.1:0", "tcp://localhost:*"}
	if nl, err := net.Listen("tcp", "[::1]:0"); err == nil {
		nl.Close()
		addresses = append(addresses, "tcp://[::1]:*", "tcp://[::1]:0")
	}
	for _, at := range addresses {
		pull, push := open(t, zmq4.NewPull), open(t, zmq4.NewPush)
		if err := pull.Listen(at); err != nil {
			t.Error(err)
			continue
		}
		host, port, err := net.SplitHostPort(pull.Addr().String())
		ztest.Must(t, err)
		target := "tcp://" + net.JoinHostPort(host, port)
		if host == "::" || host == "0.0.0.0" {
			target = "tcp://*:" + port
		}
		ztest.Must(t, push.Dial(target), push.Send(zmq4.NewMsgString(at)))
		wantMsg(t, pull, at)
	}
}

// TestInvalidID refuses routing ids that the protocol doesn't have.
func TestInvalidID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"\x00alice", strings.Repeat("a", 256)} {
		dealer := open(t, zmq4.NewDealer, zmq4.WithID(zmq4.SocketIdentity(id)))
		for _, err := range []error{dealer.Dial("tcp://127.0.0.1:1"), dealer.Listen("tcp://127.0.0.1:*")} {
			if err == nil || !strings.Contains(err.Error(), "outing id") && !strings.Contains(err.Error(), "RoutingID") {
				t.Errorf("%.10q: %v", id, err)
			}
		}
	}
}
