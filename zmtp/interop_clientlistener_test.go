//go:build cgo && unix

package zmtp_test

import (
	"net"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestInteropClientListener checks that a PUB of libzmq that connects, as the server of its
// mechanism, reaches a SUB that listens as client.
func TestInteropClientListener(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{zap.Plain, zap.Curve} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, server := configs(mechanism, "SUB", "PUB")
			nl, err := net.Listen("tcp", "127.0.0.1:0")
			ztest.Must(t, err)
			ln, err := zmtp.NewClientListener(nl, client)
			ztest.Must(t, err)
			t.Cleanup(func() { ln.Close() }) // after the socket, which keeps connecting
			sock := libzmqSocket(t, "XPUB", client, server, true)
			ztest.Must(t, sock.Connect(ln.Endpoint()))
			conn, err := ln.Accept(ztest.Context(t))
			ztest.Must(t, err)
			t.Cleanup(func() { conn.CloseNow() })
			if mechanism == zap.Curve && conn.User().Key != server.Key.Public() {
				t.Error("the publisher has another key")
			}
			ztest.Must(t, conn.Subscribe(ztest.Context(t), []byte("weather")))
			wantTheirs(t, sock, [][]byte{[]byte("\x01weather")})
			sendTheirs(t, sock, [][]byte{[]byte("weather"), []byte("rain")})
			wantOurs(t, conn, [][]byte{[]byte("weather"), []byte("rain")})
		})
	}
}
