package capture

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zcurve/zcurve/internal/ztest"
)

// golden returns a file of examples/capture.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../examples/capture/" + name)
	ztest.Must(t, err)
	return text
}

// FuzzDecode decodes any capture. Events are in order, within bounds, and end.
func FuzzDecode(f *testing.F) {
	keys, err := ParseKeyLog(golden(f, "keys.log"))
	ztest.Must(f, err)
	f.Add(golden(f, "capture.pcap"))
	f.Add(wire{link: layers.LinkTypeEthernet, ng: true}.of(f, null(f, "SUB", "PUB")))
	f.Add(wire{v6: true, mss: 7}.of(f, null(f, "PUSH", "PULL")))
	f.Add(wire{noSYN: true, snaplen: 60}.of(f, append(null(f, "PUSH", "PULL"), chunk{true, frameOf(0, make([]byte, 300))})))
	f.Fuzz(func(t *testing.T, capture []byte) {
		ended := map[int]bool{}
		sum, err := Decode(bytes.NewReader(capture), Config{Keys: keys, Bytes: 8, Emit: func(e *Event) error {
			if e.Connection < 1 || ended[e.Connection] || len(e.Data) > 8 || !e.Opener.IsValid() || e.Size < 0 {
				t.Errorf("%+v", e)
			}
			ended[e.Connection] = e.Kind == End
			return nil
		}})
		if len(ended) != sum.Connections {
			t.Errorf("%v: %d connections, in %+v", err, len(ended), sum)
		}
		for n, isEnd := range ended {
			if !isEnd || n > sum.Connections {
				t.Errorf("connection %d of %d ends: %v", n, sum.Connections, isEnd)
			}
		}
	})
}

// FuzzStream decodes what the two sides of a connection send, whatever it is, and however
// it is cut.
func FuzzStream(f *testing.F) {
	keys, err := ParseKeyLog(golden(f, "keys.log"))
	ztest.Must(f, err)
	for _, chunks := range [][]chunk{
		append(null(f, "SUB", "PUB"), chunk{true, frameOf(0, []byte("\x01a"))}, chunk{false, frameOf(flagCommand, []byte("\x04PING\x00\x01x"))}),
		{{true, greetingOf(0, "PLAIN")}, {true, frameOf(flagCommand, []byte("\x05HELLO\x05alice\x06secret"))}},
		{{true, greetingOf(0, "CURVE")}, {false, greetingOf(0, "CURVE")}, {true, frameOf(flagCommand, append([]byte("\x05HELLO"), make([]byte, 194)...))},
			{false, frameOf(flagCommand, append([]byte("\x07WELCOME"), make([]byte, 160)...))}},
	} {
		var sides [2][]byte
		for _, c := range chunks {
			i := map[bool]int{true: 0, false: 1}[c.fromOpener]
			sides[i] = append(sides[i], c.data...)
		}
		f.Add(sides[0], sides[1], uint16(1000))
	}
	f.Fuzz(func(t *testing.T, there, back []byte, mss uint16) {
		if len(there)+len(back) > 4<<10 {
			return
		}
		whole := []chunk{{true, there}, {false, back}}
		want, _, err := decode(t, wire{}.of(t, whole), keys)
		ztest.Must(t, err)
		got, _, err := decode(t, wire{mss: 1 + int(mss)}.of(t, whole), keys)
		ztest.Must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("in segments: got %q, want %q", got, want)
		}
	})
}

// FuzzKeyLog parses any text. Errors quote none of it.
func FuzzKeyLog(f *testing.F) {
	f.Add(golden(f, "keys.log"))
	f.Add([]byte("CURVEZMQ 00 00 00 00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseKeyLog(text)
		if err != nil && len(err.Error()) > 100 || err == nil && k.Len() > bytes.Count(text, []byte(label)) {
			t.Error(fmt.Sprint(err))
		}
	})
}
