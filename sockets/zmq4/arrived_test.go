package zmq4

import (
	"bytes"
	"context"
	"testing"
)

// FuzzArrived gives messages of a peer to each type of socket, which must take them as they are
// or drop them. Frames are separated by 0xff.
func FuzzArrived(f *testing.F) {
	for _, seed := range []string{"", "\xff", "\x01topic", "\x00topic", "\x01", "\xffbody", "id\xff\xffbody", "1234\xff\xffbody", "\xff\xff\xff", "a\xffb\xff\xffc"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, options uint8) {
		message := bytes.Split(raw, []byte{0xff})
		sent := bytes.Join(message, nil)
		for _, typ := range []SocketType{Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, XPub, XSub} {
			s := newSocket(context.Background(), typ, []Option{WithLogger(nil), func(s *socket) {
				s.correlate, s.manual, s.verbose = options&1 != 0, options&2 != 0, options&4 != 0
			}})
			p := &pipe{socket: s, topics: map[string]bool{}, manual: map[string]bool{}, id: "peer", asked: 1}
			if r, ok := s.pattern.(*request); ok {
				r.to = p
			}
			if sb, ok := s.pattern.(*subscribe); ok {
				sb.set(true, "a")
			}
			var a arena
			it, ok := s.pattern.arrived(p, &a, message)
			if ok {
				s.pattern.received(p, it)
				if it.envelope > len(it.frames) || it.envelope == len(it.frames) && typ != Router {
					t.Errorf("%s: %q leaves %d frames of %d", typ, message, it.envelope, len(it.frames))
				}
				if got := bytes.Join(it.frames, nil); !bytes.HasSuffix(got, sent) {
					t.Errorf("%s: %q has become %q", typ, message, it.frames)
				}
			}
			s.pattern.detached(p)
			s.Close()
		}
	})
}
