package zmq4_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
	"github.com/zcurve/zcurve/zap"
)

// TestNoSecurity connects a socket with a nil Security and one with null.Security.
func TestNoSecurity(t *testing.T) {
	t.Parallel()
	pull, push := open(t, zmq4.NewPull, zmq4.WithSecurity(nil)), open(t, zmq4.NewPush, zmq4.WithSecurity(null.Security()))
	ztest.Must(t, push.Dial(listen(t, pull, "tcp")), push.Send(zmq4.NewMsgString("hello")))
	recv(t, pull)
}

// TestOnlySockets tells on a Conn that mechanisms work with sockets only.
func TestOnlySockets(t *testing.T) {
	t.Parallel()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	key := curve.GenerateKey()
	for _, security := range []zmq4.Security{
		zmq4.CurveServer(key, "test", handler), zmq4.CurveClient(key, key.Public()),
		zmq4.PlainServer("test", handler), zmq4.PlainClient("alice", zap.NewPassword("secret")),
	} {
		_, encrypts := security.Encrypt(new(bytes.Buffer), nil)
		_, decrypts := security.Decrypt(new(bytes.Buffer), nil)
		a, b := net.Pipe()
		go func() { b.Write(append([]byte{0: 0xff, 9: 0x7f, 10: 3}, greetingOf(security.Type())...)) }()
		go bytes.NewBuffer(nil).ReadFrom(b)
		_, err := zmq4.Open(a, security, zmq4.Pull, nil, true, nil)
		for _, err := range []error{encrypts, decrypts, err} {
			if err == nil || !strings.Contains(err.Error(), "give it to WithSecurity as it is") {
				t.Errorf("%s: %v", security.Type(), err)
			}
		}
		a.Close()
		b.Close()
	}
}

// greetingOf returns the greeting of a mechanism behind its version.
func greetingOf(mechanism zmq4.SecurityType) []byte {
	rest := make([]byte, 64-11)
	copy(rest[1:], mechanism)
	return rest
}
