package zmq4_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
	"github.com/zcurve/zcurve/sockets/zmq4/security/plain"
)

var frameSeeds = []string{
	"", "\x00\x05hello", "\x01\x00\x00\x05hello", "\x02\x00\x00\x00\x00\x00\x00\x00\x05hello", "\x02\x7f\xff\xff\xff\xff\xff\xff\xff",
	"\x04\x07\x04PING\x00\x00", "\x04\x00", "\x04\x03\x04PI", "\x05\x05\x04PING", "\x08\x00", "\x04\x06\x05ERROR", "\x06\x00\x00\x00\x00\x00\x00\x00\x05\x04PONG",
}

// FuzzConn receives messages, and sends and receives them again.
func FuzzConn(f *testing.F) {
	for _, frames := range frameSeeds {
		f.Add([]byte(frames))
	}
	f.Fuzz(func(t *testing.T, frames []byte) {
		c, _ := openScript(t, string(frames))
		again, sent := openScript(t, "")
		handshake := len(sent.written())
		var first, second []string
		for {
			msg, err := c.RecvMsg()
			if err != nil {
				break
			}
			if msg.Type == zmq4.UsrMsg {
				first = append(first, msg.String())
				ztest.Must(t, again.SendMsg(msg))
			}
		}
		c, _ = openScript(t, sent.written()[handshake:])
		for {
			msg, err := c.RecvMsg()
			if err != nil {
				break
			}
			second = append(second, msg.String())
		}
		if !slices.Equal(first, second) {
			t.Fatalf("got %q, and then %q", first, second)
		}
	})
}

// FuzzCommand receives commands, and sends them again.
func FuzzCommand(f *testing.F) {
	for _, frames := range frameSeeds {
		f.Add([]byte(frames))
	}
	f.Fuzz(func(t *testing.T, frames []byte) {
		c, s := openScript(t, string(frames))
		for range 100 {
			cmd, err := c.RecvCmd()
			if err != nil {
				return
			}
			if len(cmd.Name) == 0 || len(cmd.Name) > 255 {
				t.Fatalf("name %q", cmd.Name)
			}
			before := len(s.written())
			if err := c.SendCmd(cmd.Name, cmd.Body); err != nil {
				t.Fatal(err)
			}
			if sent := s.written()[before:]; !strings.HasSuffix(sent, string([]byte{byte(len(cmd.Name))})+cmd.Name+string(cmd.Body)) {
				t.Fatalf("sent %q for %q", sent, cmd)
			}
		}
	})
}

// FuzzHandshake opens connections to a peer that sends anything.
func FuzzHandshake(f *testing.F) {
	whole := greeting()
	f.Add(whole, false)
	f.Add(bytes.Replace(whole[:64], []byte("NULL\x00"), []byte("PLAIN"), 1), true)
	for _, frames := range frameSeeds {
		f.Add(append(whole[:64:64], frames...), false)
		f.Add(append(bytes.Replace(whole[:64], []byte("NULL\x00"), []byte("PLAIN"), 1), frames...), true)
	}
	f.Add(append(bytes.Replace(whole[:64], []byte("NULL\x00"), []byte("PLAIN"), 1), "\x04\x13\x05HELLO\x05alice\x06secret\x04\x1d\x08INITIATE\x0bSocket-Type\x00\x00\x00\x04PAIR"...), true)
	f.Fuzz(func(t *testing.T, sends []byte, withPlain bool) {
		security := null.Security()
		if withPlain {
			security = plain.Security("alice", "secret")
		}
		c, err := zmq4.Open(&script{in: bytes.NewReader(sends)}, security, zmq4.Pair, nil, true, nil)
		if (err == nil) != (c != nil) || err == nil && c.Peer.Meta["Socket-Type"] != "PAIR" {
			t.Fatalf("%v, %v", c, err)
		}
	})
}
