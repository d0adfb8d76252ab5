package probe

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
	"unicode/utf8"
)

// script is a connection to a peer that sends what is in it, some bytes at a time.
type script struct {
	net.Conn
	rest *bytes.Reader
	step int
}

func (s *script) Read(p []byte) (int, error) {
	return s.rest.Read(p[:min(len(p), s.step)])
}

func (s *script) Write(p []byte) (int, error) { return len(p), nil }

// FuzzExchange reads greetings and READY commands of hostile peers.
func FuzzExchange(f *testing.F) {
	greeting := func(major byte, mechanism string) []byte {
		g := make([]byte, greetingSize)
		g[0], g[9], g[10], g[11] = 0xff, 0x7f, major, 1
		copy(g[12:], mechanism)
		return g
	}
	for _, seed := range []string{
		"", "\xff", "HTTP/1.0 400 Bad Request\r\n", "\x01\x00",
		string(greeting(1, "")[:12]),
		string(greeting(3, "CURVE")),
		string(greeting(3, "\x1b[31m\x00\x00x")),
		string(greeting(3, "NULL")) + "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03REP",
		string(greeting(3, "NULL")) + "\x06\x00\x00\x00\x00\x00\x00\x00\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03REP",
		string(greeting(3, "NULL")) + "\x06\xff\xff\xff\xff\xff\xff\xff\xff\x05READY",
		string(greeting(3, "NULL")) + "\x04\x0a\x05ERROR\x03400",
		string(greeting(3, "NULL")) + "\x04\x19\x05READY\x0bSocket-Type\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 64)
	}
	f.Fuzz(func(t *testing.T, sent []byte, step int) {
		if step < 1 {
			return
		}
		rest := bytes.NewReader(sent)
		found, ok := exchange(&script{rest: rest, step: step}, time.Hour)
		if read := len(sent) - rest.Len(); read > greetingSize+maxReady {
			t.Errorf("read %d bytes", read)
		}
		if len(found.Mechanism) > 20 || len(found.SocketType) > maxType || ok != (found.Version != "") {
			t.Errorf("found %+v, %v", found, ok)
		}
		for _, said := range []string{printable(found.Mechanism), printable(found.SocketType)} {
			if !utf8.ValidString(said) || bytes.ContainsFunc([]byte(said), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("prints %q", said)
			}
		}
		rec := newRecorder(&script{rest: bytes.NewReader(sent), step: step})
		for err := error(nil); err == nil; {
			_, err = rec.Read(make([]byte, 100))
		}
		if g, complete := rec.greeting(); complete {
			if !ok || version(g) != found.Version {
				t.Errorf("a probe sees version %s, a scan %+v", version(g), found)
			}
		} else if greetingFault(g, io.EOF).text == "" {
			t.Error("no reason")
		}
	})
}
