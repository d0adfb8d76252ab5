package null_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
)

// TestConn shakes hands on a Conn: both sides learn the metadata of the other, in a pipe that
// buffers nothing.
func TestConn(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := make(chan *zmq4.Conn)
	go func() {
		c, err := zmq4.Open(a, null.Security(), zmq4.Router, nil, true, nil)
		if err != nil {
			t.Error(err)
		}
		server <- c
	}()
	c, err := zmq4.Open(b, null.Security(), zmq4.Dealer, zmq4.SocketIdentity("alice"), false, nil)
	ztest.Must(t, err)
	s := ztest.Receive(t, "the server", server)
	if meta := s.Peer.Meta; meta["Socket-Type"] != "DEALER" || meta["Identity"] != "alice" {
		t.Errorf("the server got %v", meta)
	}
	if meta := c.Peer.Meta; meta["Socket-Type"] != "ROUTER" || c.Peer.Server {
		t.Errorf("the client got %v, as-server %v: with NULL there is no server", meta, c.Peer.Server)
	}
}

// TestMalformed refuses what is not READY.
func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]string{
		"another command": "\x04\x06\x05HELLO", "a message": "\x00\x06\x05READY", "cut off": "\x04\x08\x05READY\x01a",
	} {
		a, b := net.Pipe()
		go func() {
			greeting := [64]byte{0: 0xff, 9: 0x7f, 10: 3, 12: 'N', 13: 'U', 14: 'L', 15: 'L'}
			b.Write(append(greeting[:], frame...))
			bytes.NewBuffer(nil).ReadFrom(b)
		}()
		if _, err := zmq4.Open(a, null.Security(), zmq4.Pull, nil, true, nil); err == nil ||
			name != "cut off" && !errors.Is(err, zmq4.ErrBadCmd) && !errors.Is(err, zmq4.ErrBadFrame) {
			t.Errorf("%s: %v", name, err)
		}
		a.Close()
		b.Close()
	}
}

// TestPlainText leaves frames as they are.
func TestPlainText(t *testing.T) {
	t.Parallel()
	security := null.Security()
	var b bytes.Buffer
	_, err := security.Encrypt(&b, []byte("hello"))
	_, err2 := security.Decrypt(&b, []byte(", world"))
	ztest.Must(t, err, err2)
	if security.Type() != zmq4.NullSecurity || b.String() != "hello, world" {
		t.Errorf("%s, %q", security.Type(), b.String())
	}
}

// A socket that says that it has no security.
func ExampleSecurity() {
	socket := zmq4.NewPull(context.Background(), zmq4.WithSecurity(null.Security()))
	defer socket.Close()
}
