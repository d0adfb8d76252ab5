package zmq4_test

import (
	"context"
	"errors"
	"log"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// fullDisk fails each write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestKeyLog: a socket in either role writes the keys of a connection, and says in its log
// that it does. One whose key log fails connects, and says that once.
func TestKeyLog(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey()
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })
	var keys [2]ztest.Log
	var lines ztest.Log
	logger := zmq4.WithLogger(log.New(&lines, "", 0))
	pull := open(t, zmq4.NewPull, zmq4.WithInsecureKeyLog(&keys[0]), logger,
		zmq4.WithSecurity(zmq4.CurveServer(key, "test", handler)))
	at := listen(t, pull, "tcp")
	push := open(t, zmq4.NewPush, zmq4.WithInsecureKeyLog(&keys[1]), zmq4.WithSecurity(zmq4.CurveClient(curve.GenerateKey(), key.Public())))
	ztest.Must(t, push.Dial(at), push.Send(zmq4.NewMsgString("hello")))
	recv(t, pull)
	if line := keys[0].String(); !strings.HasPrefix(line, "CURVEZMQ ") || line != keys[1].String() {
		t.Errorf("the server wrote %q, and the client %q", line, &keys[1])
	}
	if lines.Count("keys are logged: connections can be decrypted\n") != 1 {
		t.Errorf("log: %s", &lines)
	}
	failing := open(t, zmq4.NewPush, zmq4.WithInsecureKeyLog(fullDisk{}), logger,
		zmq4.WithSecurity(zmq4.CurveClient(curve.GenerateKey(), key.Public())))
	ztest.Must(t, failing.Dial(at), failing.Dial(at), failing.Send(zmq4.NewMsgString("still")))
	if msg := recv(t, pull); string(msg.Bytes()) != "still" {
		t.Errorf("got %q", msg)
	}
	if lines.Count("writing the key log failed: disk full\n") != 1 {
		t.Errorf("log: %s", &lines)
	}
}
