package zmq4_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/plain"
	"github.com/zcurve/zcurve/zap"
)

// TestInvalidSecurity checks that Dial tells of a key that is missing, also if it returns
// before the peer is there.
func TestInvalidSecurity(t *testing.T) {
	t.Parallel()
	for _, security := range []zmq4.Security{
		zmq4.CurveClient(curve.SecretKey{}, curve.GenerateKey().Public()),
		zmq4.CurveClient(curve.GenerateKey(), curve.PublicKey{}),
	} {
		for _, opts := range [][]zmq4.Option{nil, {zmq4.WithReconnect(0, 0)}} {
			push := open(t, zmq4.NewPush, append(opts, zmq4.WithSecurity(security))...)
			if err := push.Dial("tcp://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "ey") {
				t.Errorf("dialing without a key: %v", err)
			}
		}
	}
	pull := open(t, zmq4.NewPull, zmq4.WithSecurity(zmq4.CurveServer(curve.GenerateKey(), "test", nil)))
	if err := pull.Listen("tcp://127.0.0.1:*"); err == nil {
		t.Error("a server without a handler listens")
	}
	dials := open(t, zmq4.NewPull, zmq4.WithReconnect(0, 0), zmq4.WithSecurity(zmq4.CurveServer(curve.GenerateKey(), "test", nil)))
	if err := dials.Dial("tcp://127.0.0.1:1"); err == nil {
		t.Error("a server without a handler dials")
	}
}

// TestPrintsNoSecret prints securities with each verb.
func TestPrintsNoSecret(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	for _, security := range []zmq4.Security{
		zmq4.CurveServer(key, "test", handler), zmq4.CurveClient(key, curve.GenerateKey().Public()),
		zmq4.PlainServer("test", handler), zmq4.PlainClient("alice", zap.NewPassword("hunter2")), plain.Security("alice", "hunter2"),
	} {
		text := fmt.Sprintf("%v %+v %#v %s %q %x %d", security, security, security, security, security, security, security)
		encoded, _ := json.Marshal(security)
		for _, secret := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), string(key.AppendZ85(nil)),
			fmt.Sprintf("%x", key.AppendBytes(nil)), strings.Trim(fmt.Sprint(key.AppendBytes(nil)), "[]"), strings.Trim(fmt.Sprint([]byte("hunter2")), "[]")} {
			if strings.Contains(text+string(encoded), secret) {
				t.Errorf("%T prints its secret: %s %s", security, text, encoded)
			}
		}
	}
}
