package capture

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// admit admits every client.
var admit = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })

// A DEALER sends these messages, and gets them back from a ROUTER.
var messages = [][][]byte{
	{[]byte("hello")},
	{[]byte("two"), []byte("frames")},
	{nil},
	{{0, 1, 2, 0xFF}},
	{bytes.Repeat([]byte("0123456789"), 1000)},
}

// mechanism is the security of a connection.
type mechanism struct {
	name           string
	client, server zmq4.Security
	public         curve.PublicKey // the client's
}

func curveMechanism() mechanism {
	key, server := curve.GenerateKey(), curve.GenerateKey()
	return mechanism{zap.Curve, zmq4.CurveClient(key, server.Public()), zmq4.CurveServer(server, "test", admit), key.Public()}
}

func mechanisms() []mechanism {
	return []mechanism{
		curveMechanism(),
		{name: zap.Null},
		{name: zap.Plain, client: zmq4.PlainClient("alice", zap.NewPassword("open sesame")), server: zmq4.PlainServer("test", admit)},
	}
}

// ours records a connection between a DEALER and a ROUTER, and the key log of one of them.
func ours(t testing.TB, m mechanism, serverLogs bool) ([]chunk, *KeyLog) {
	t.Helper()
	ctx := ztest.Context(t)
	var log ztest.Log
	client := []zmq4.Option{zmq4.WithLogger(nil), zmq4.WithSecurity(m.client)}
	server := []zmq4.Option{zmq4.WithLogger(nil), zmq4.WithSecurity(m.server)}
	if serverLogs {
		server = append(server, zmq4.WithInsecureKeyLog(&log))
	} else {
		client = append(client, zmq4.WithInsecureKeyLog(&log))
	}
	router := zmq4.NewRouter(ctx, server...)
	defer router.Close()
	ztest.Must(t, router.Listen("tcp://127.0.0.1:*"))
	at, end := relay(t, router.Addr().String())
	dealer := zmq4.NewDealer(ctx, client...)
	defer dealer.Close()
	ztest.Must(t, dealer.Dial("tcp://"+at))
	exchange(t, dealer, router)
	ztest.Must(t, dealer.Close(), router.Close())
	keys, err := ParseKeyLog([]byte(log.String()))
	ztest.Must(t, err)
	return end(), keys
}

// exchange sends the messages to a ROUTER, and back.
func exchange(t testing.TB, dealer, router zmq4.Socket) {
	t.Helper()
	for _, m := range messages {
		ztest.Must(t, dealer.Send(zmq4.NewMsgFrom(m...)))
		got, err := router.Recv()
		ztest.Must(t, err, router.Send(got))
		_, err = dealer.Recv()
		ztest.Must(t, err)
	}
}

// frameLines returns the lines about messages.
func frameLines(direction string) (lines []string) {
	for _, m := range messages {
		for i, frame := range m {
			line := fmt.Sprintf("1 %s message %q", direction, frame[:min(len(frame), 32)])
			if len(frame) > 32 {
				line += fmt.Sprintf(" of %d", len(frame))
			}
			if i < len(m)-1 {
				line += " more"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// handshake are the lines before the messages, by mechanism. Each direction has its own.
func handshake(mechanism, client, server string) (there, back []string) {
	there, back = []string{"1 > greeting 3.1 " + mechanism}, []string{"1 < greeting 3.1 " + mechanism}
	switch mechanism {
	case zap.Curve:
		there, back = append(there, "1 > command HELLO"), append(back, "1 < command WELCOME")
	case zap.Plain:
		there, back = append(there, "1 > command HELLO alice"), append(back, "1 < command WELCOME")
	case zap.Null:
		return append(there, "1 > command READY "+client), append(back, "1 < command READY "+server)
	}
	return append(there, "1 > command INITIATE "+client), append(back, "1 < command READY "+server)
}

// wantSession compares the lines of a whole connection.
func wantSession(t *testing.T, lines []string, mechanism, client, server string) {
	t.Helper()
	there, back := handshake(mechanism, client, server)
	one := func(direction string) (some []string) {
		for _, line := range lines[:max(0, len(lines)-1)] {
			if strings.HasPrefix(line, "1 "+direction) {
				some = append(some, line)
			}
		}
		return some
	}
	want(t, one(">"), append(there, frameLines(">")...)...)
	want(t, one("<"), append(back, frameLines("<")...)...)
	if n := len(lines); n == 0 || lines[n-1] != "1 > end: closed" {
		t.Errorf("the end: %q", lines[max(0, n-1):])
	}
}

// TestDecode: a capture of a connection between our own sockets shows all of it, with the key
// log of either side.
func TestDecode(t *testing.T) {
	t.Parallel()
	for _, m := range mechanisms() {
		for _, serverLogs := range []bool{true, false} {
			t.Run(fmt.Sprint(m.name, serverLogs), func(t *testing.T) {
				t.Parallel()
				chunks, keys := ours(t, m, serverLogs)
				lines, sum, err := decode(t, wire{}.of(t, chunks), keys)
				ztest.Must(t, err)
				wantSession(t, lines, m.name, "DEALER", "ROUTER")
				if sum.Connections != 1 || sum.Other+sum.Middle+sum.Ignored+sum.Truncated+sum.Fragments != 0 {
					t.Errorf("%+v", sum)
				}
				for _, line := range lines {
					if strings.Contains(line, "sesame") {
						t.Errorf("shows the password: %s", line)
					}
				}
			})
		}
	}
}

// TestWires: it does not matter how a capture was written, and how the network has cut and
// mixed the packets.
func TestWires(t *testing.T) {
	t.Parallel()
	m := curveMechanism()
	chunks, keys := ours(t, m, false)
	for name, w := range map[string]wire{
		"loopback":      {},
		"loopback IPv6": {v6: true},
		"Ethernet":      {link: layers.LinkTypeEthernet},
		"Ethernet IPv6": {link: layers.LinkTypeEthernet, v6: true},
		"raw IP":        {link: layers.LinkTypeRaw},
		"IPv4":          {link: layers.LinkTypeIPv4},
		"IPv6":          {link: layers.LinkTypeIPv6, v6: true},
		"Linux cooked":  {link: layers.LinkTypeLinuxSLL},
		"version 2":     {link: layers.LinkTypeLinuxSLL2, v6: true},
		"pcapng":        {link: layers.LinkTypeEthernet, ng: true},
		"single bytes":  {mss: 1},
		"large":         {mss: 32 << 10},
		"without SYN":   {noSYN: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chunks := slices.Clone(chunks)
			if w.noSYN { // the side that sends first is taken for the opener
				i := slices.IndexFunc(chunks, func(c chunk) bool { return c.fromOpener })
				first := chunks[i]
				chunks = slices.Insert(slices.Delete(chunks, i, i+1), 0, first)
			}
			lines, _, err := decode(t, w.of(t, chunks), keys)
			ztest.Must(t, err)
			wantSession(t, lines, m.name, "DEALER", "ROUTER")

			// Each segment twice, and then reordered within eight.
			w.mixed = true
			lines, _, err = decode(t, w.of(t, chunks), keys)
			ztest.Must(t, err)
			wantSession(t, lines, m.name, "DEALER", "ROUTER")
		})
	}
}
