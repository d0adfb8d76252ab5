//go:build cgo && unix

package capture

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	zcurve "github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// echo sends the messages from a socket of libzmq to a ROUTER of ours, and back.
func echo(t *testing.T, theirs *zmq4.Socket, router zcurve.Socket) {
	t.Helper()
	for _, m := range messages {
		if _, err := theirs.SendMessage(m); err != nil {
			t.Fatal(err)
		}
		got, err := router.Recv()
		ztest.Must(t, err, router.Send(got))
		back, err := theirs.RecvMessageBytes(0)
		ztest.Must(t, err)
		if len(back) != len(m) || !bytes.Equal(back[0], m[0]) {
			t.Fatalf("got %q back", back)
		}
	}
}

// TestLibzmq: a capture of a connection between libzmq and our socket, in either role, shows
// all of it with our key log.
func TestLibzmq(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	for _, serves := range []bool{true, false} {
		t.Run(map[bool]string{true: "server", false: "client"}[serves], func(t *testing.T) {
			t.Parallel()
			ctx := ztest.Context(t)
			client, server := curve.GenerateKey(), curve.GenerateKey()
			zctx := zmqtest.NewContext(t)
			theirs := zmqtest.NewSocket(t, zctx, zmq4.DEALER)
			var log ztest.Log
			var security zcurve.Security
			if serves {
				security = zcurve.CurveServer(server, "test", admit)
				ztest.Must(t, libzmq.SetClient(theirs, client, server.Public()))
			} else {
				security = zcurve.CurveClient(client, server.Public())
				zmqtest.Start(t, zctx, admit, nil)
				ztest.Must(t, libzmq.SetServer(theirs, server, "global"))
			}
			router := zcurve.NewRouter(ctx, zcurve.WithLogger(nil), zcurve.WithSecurity(security), zcurve.WithInsecureKeyLog(&log))
			defer router.Close()
			ztest.Must(t, router.Listen("tcp://127.0.0.1:*"))
			at, end := relay(t, router.Addr().String())
			ztest.Must(t, theirs.Connect("tcp://"+at))
			echo(t, theirs, router)
			ztest.Must(t, theirs.Close(), router.Close())
			chunks := end()
			keys, err := ParseKeyLog([]byte(log.String()))
			ztest.Must(t, err)

			lines, _, err := decode(t, wire{mss: 100}.of(t, chunks), keys)
			ztest.Must(t, err)
			if !serves { // the DEALER, which connects, is the server of CURVE
				for i, line := range lines {
					line = strings.NewReplacer("> command WELCOME", "> command HELLO", "> command READY", "> command INITIATE",
						"< command HELLO", "< command WELCOME", "< command INITIATE", "< command READY").Replace(line)
					lines[i] = line
				}
			}
			wantSession(t, lines, zap.Curve, "DEALER", "ROUTER")
		})
	}
}
