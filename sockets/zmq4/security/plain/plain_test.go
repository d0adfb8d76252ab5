package plain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/plain"
	"github.com/zcurve/zcurve/zap"
)

// wrong are logins other than alice's with her password "secret".
var wrong = [][2]string{{"alice", "Secret"}, {"alice", ""}, {"bob", "secret"}, {"", ""}, {"", "alicesecret"}}

// TestSockets checks that a server with one user name and password admits only a client
// that has them, again and again, and knows its name.
func TestSockets(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	login := zmq4.WithSecurity(plain.Security("alice", "secret"))
	pull := zmq4.NewPull(ctx, login, zmq4.WithLogger(nil))
	defer pull.Close()
	ztest.Must(t, pull.Listen("tcp://127.0.0.1:*"))
	at := "tcp://" + pull.Addr().String()
	for _, login := range wrong {
		push := zmq4.NewPush(ctx, zmq4.WithSecurity(plain.Security(login[0], login[1])))
		if err := push.Dial(at); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%q: %v", login, err)
		}
		push.Close()
	}
	for _, login := range []zmq4.Option{login, login, zmq4.WithSecurity(zmq4.PlainClient("alice", zap.NewPassword("secret")))} {
		push := zmq4.NewPush(ctx, login)
		ztest.Must(t, push.Dial(at), push.Send(zmq4.NewMsgString("hello")))
		msg, err := pull.Recv()
		ztest.Must(t, err, push.Close())
		if msg.From().ID != "alice" {
			t.Errorf("from %q", msg.From().ID)
		}
	}
}

// open opens both sides of a connection.
func open(t *testing.T, server, client zmq4.Security) (s, c *zmq4.Conn, serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	opened := make(chan error)
	go func() {
		var err error
		s, err = zmq4.Open(a, server, zmq4.Pull, nil, true, nil)
		opened <- err
	}()
	c, clientErr = zmq4.Open(b, client, zmq4.Push, nil, false, nil)
	if clientErr != nil {
		b.Close()
	}
	return s, c, ztest.Receive(t, "the server", opened), clientErr
}

// TestConn logs in on a Conn. A client that is refused gets the reason.
func TestConn(t *testing.T) {
	t.Parallel()
	security := plain.Security("alice", "secret")
	s, c, err, clientErr := open(t, security, security)
	ztest.Must(t, err, clientErr)
	if s.Peer.Meta["Socket-Type"] != "PUSH" || c.Peer.Meta["Socket-Type"] != "PULL" || !c.Peer.Server || s.Peer.Server {
		t.Errorf("metadata %v and %v", s.Peer, c.Peer)
	}
	for _, login := range wrong {
		_, _, err, clientErr := open(t, security, plain.Security(login[0], login[1]))
		if err == nil || !strings.Contains(err.Error(), "wrong user name or password") {
			t.Errorf("the server of %q: %v", login, err)
		}
		if clientErr == nil || !strings.Contains(clientErr.Error(), `refused the handshake: "400"`) {
			t.Errorf("the client of %q: %v", login, clientErr)
		}
	}
	if _, _, _, err := open(t, security, plain.Security(strings.Repeat("a", 256), "")); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("a long name: %v", err)
	}
}

// TestMalformed sends a server malformed commands.
func TestMalformed(t *testing.T) {
	t.Parallel()
	greeting := [64]byte{0: 0xff, 9: 0x7f, 10: 3, 12: 'P', 13: 'L', 14: 'A', 15: 'I', 16: 'N'}
	const admitted = "\x05HELLO\x05alice\x06secret"
	for name, commands := range map[string][]string{
		"no user": {"\x05HELLO"}, "user cut off": {"\x05HELLO\x05alic"}, "no password": {"\x05HELLO\x05alice"},
		"password cut off": {"\x05HELLO\x05alice\x06secre"}, "more": {admitted + "x"}, "INITIATE first": {"\x08INITIATE"},
		"HELLO twice": {admitted, admitted},
	} {
		a, b := net.Pipe()
		go io.Copy(io.Discard, b)
		go func() {
			b.Write(greeting[:])
			for _, command := range commands {
				b.Write(append([]byte{4, byte(len(command))}, command...))
			}
		}()
		if _, err := zmq4.Open(a, plain.Security("alice", "secret"), zmq4.Pull, nil, true, nil); !errors.Is(err, zmq4.ErrBadCmd) {
			t.Errorf("%s: %v", name, err)
		}
		a.Close()
		b.Close()
	}
}

// Both sides have the same user name and password.
func ExampleSecurity() {
	ctx := context.Background()
	login := zmq4.WithSecurity(plain.Security("alice", "secret"))
	pull, push := zmq4.NewPull(ctx, login), zmq4.NewPush(ctx, login)
	defer pull.Close()
	defer push.Close()
	if pull.Listen("inproc://plain") != nil || push.Dial("inproc://plain") != nil {
		return
	}
	push.Send(zmq4.NewMsgString("hello"))
	msg, _ := pull.Recv()
	fmt.Println(msg)
	// Output: Msg{Frames:{"hello"}}
}
