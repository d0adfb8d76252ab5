package zmtp_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// feed sends data from a peer that then hangs up, to the connection that open makes, and
// receives until it ends.
func feed(ctx context.Context, data []byte, batches bool, open func(net.Conn) (*zmtp.Conn, error)) {
	a, b := net.Pipe()
	go func() {
		go io.Copy(io.Discard, b)
		b.Write(data)
		b.Close()
	}()
	conn, err := open(a)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		if batches {
			_, err = conn.RecvBatch(ctx)
		} else {
			_, err = conn.Recv(ctx)
		}
		if err != nil {
			return
		}
	}
}

// FuzzConn feeds a stream to peers of every mechanism and role: greeting, handshake,
// frames and commands. Nothing may panic or hang.
func FuzzConn(f *testing.F) {
	ready := frame(4, append([]byte("\x05READY"), "\x0bSocket-Type\x00\x00\x00\x06DEALER"...))
	null := append(greetingOf("NULL"), ready...)
	plain := append(greetingOf("PLAIN"), frame(4, []byte("\x05HELLO\x05admin\x06secret"))...)
	plain = append(plain, frame(4, []byte("\x08INITIATE\x0bSocket-Type\x00\x00\x00\x06DEALER"))...)
	f.Add(byte(0), null)
	f.Add(byte(0), append(null, frame(1, []byte("a"))...))
	f.Add(byte(0), append(null, frame(4, []byte("\x04PING\x00\x0actx"))...))
	f.Add(byte(11), append(null, 1, 1, 'a', 4, 10, 9, 'S', 'U', 'B', 'S', 'C', 'R', 'I', 'B', 'E', 0, 1, 'b'))
	f.Add(byte(0), append(null, 2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	f.Add(byte(1), append(plain, frame(0, pattern(300))...))
	f.Add(byte(1), append(greetingOf("NULL"), frame(4, []byte("\x05ERROR\x03400"))...))
	f.Add(byte(2), append(greetingOf("CURVE"), frame(4, append([]byte("\x05HELLO\x01\x00"), make([]byte, 192)...))...))
	f.Add(byte(3), append(greetingOf("CURVE"), frame(4, append([]byte("\x07WELCOME"), make([]byte, 160)...))...))
	f.Add(byte(4), append(greetingOf("PLAIN"), frame(4, []byte("\x07WELCOME"))...))
	client, server := configs(zap.Curve, "DEALER", "DEALER")
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		cfg, open := server, zmtp.Server
		switch kind % 6 {
		case 0:
			cfg.Mechanism = zap.Null
		case 1:
			cfg.Mechanism = zap.Plain
		case 3:
			cfg, open = client, zmtp.Client
		case 4:
			cfg, open = client, zmtp.Client
			cfg.Mechanism = zap.Plain
		case 5:
			cfg.Mechanism, cfg.SocketType = zap.Null, "PUB"
		}
		cfg.MaxMessageSize = 1 << 20
		ctx, cancel := context.WithTimeout(context.Background(), ztest.Patience)
		defer cancel()
		feed(ctx, data, kind/6%2 == 1, func(nc net.Conn) (*zmtp.Conn, error) { return open(ctx, nc, cfg) })
		if ctx.Err() != nil {
			t.Error("a peer that hung up held the connection")
		}
	})
}
