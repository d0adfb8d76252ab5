package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestBounds: memory does not grow with what peers send, announce or leave open.
func TestBounds(t *testing.T) {
	t.Parallel()
	t.Run("incomplete frames", func(t *testing.T) {
		t.Parallel()
		const frames = 2 * maxHeld >> 20
		dropped, kept := 0, 0
		d := &decoder{cfg: Config{Emit: func(e *Event) error {
			switch e.Note {
			case tooLarge:
				dropped++
			case "":
				if e.Kind == Message {
					kept++
				}
			}
			return nil
		}}}
		var conns [frames]conn
		megabyte := make([]byte, 1<<20)
		head := binary.BigEndian.AppendUint64(append(greetingOf(1, "NULL"), flagLong), uint64(len(megabyte)+1))
		for i := range conns {
			c := &conns[i]
			c.decoder = d
			c.sides[0].conn, c.sides[1].conn = c, c
			c.sides[0].take(head)
			c.sides[0].take(megabyte)
			if d.held > maxHeld {
				t.Fatalf("%d bytes are held", d.held)
			}
		}
		for i := range conns {
			conns[i].sides[0].take([]byte{0})
		}
		if dropped == 0 || kept < maxHeld>>20-1 || dropped+kept != frames || d.held != 0 {
			t.Errorf("%d frames are dropped and %d kept, and %d bytes held", dropped, kept, d.held)
		}
	})
	t.Run("missing segments", func(t *testing.T) {
		t.Parallel()
		// What waits for a missing segment is passed on when it takes too much, though no
		// time has passed in the capture, and before the connection ends.
		chunks := null(t, "PUSH", "PULL")
		for range 6 {
			chunks = append(chunks, chunk{true, frameOf(0, make([]byte, 1<<20))})
		}
		packets := wire{mss: 1400}.packets(t, append(chunks, chunk{false, frameOf(0, []byte("later"))}))
		lines, _, err := decode(t, wire{}.capture(t, slices.Delete(packets, 12, 13)), nil)
		ztest.Must(t, err)
		lost := slices.Index(lines, `1 > message "" of 1048576: 1400 bytes are missing from the capture`)
		later := slices.Index(lines, `1 < message "later"`)
		if n := len(lines); lost < 0 || later < lost || lines[n-1] != "1 > end: closed" || n != len(nullLines("", ""))+8 {
			t.Errorf("%s", fmt.Sprint(lines))
		}
	})
}

// TestSorted: events that wait to be sorted are bounded, and those of a connection stay in order.
func TestSorted(t *testing.T) {
	t.Parallel()
	seen := map[int]int{}
	d := &decoder{}
	d.cfg.Emit = func(e *Event) error {
		if seen[e.Connection]++; e.Size != seen[e.Connection] {
			t.Fatalf("event %d of connection %d is number %d", e.Size, e.Connection, seen[e.Connection])
		}
		return nil
	}
	const each = maxSorted - 1
	d.inOrder(func() {
		for connection := 3; connection > 0; connection-- {
			for size := range each {
				d.emit(&Event{Connection: connection, Size: size + 1})
				if len(d.sorted) > maxSorted {
					t.Fatalf("%d events wait", len(d.sorted))
				}
			}
		}
	})
	if seen[1] != each || seen[2] != each || seen[3] != each {
		t.Errorf("passed on %v", seen)
	}
}

// endless is an endless pcapng file: a section, and then blocks that describe an interface.
type endless struct{ rest []byte }

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(e.rest) == 0 {
			e.rest = []byte("\x01\x00\x00\x00\x14\x00\x00\x00\x65\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00")
		}
		m := copy(p[n:], e.rest)
		n, e.rest = n+m, e.rest[m:]
	}
	return n, nil
}

// TestInterfaces: a pcapng file cannot fill the memory with interfaces.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	section := []byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00")
	if _, err := Decode(&endless{section}, Config{}); !errors.Is(err, errInterfaces) {
		t.Errorf("got %v", err)
	}
}

// TestOpenUnraced: packets of more connections than are followed at a time are counted.
func TestOpenUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	// One SYN, with other ports and addresses each time.
	w := wire{link: layers.LinkTypeRaw}
	syn := w.packet(t, true, &layers.TCP{SrcPort: 1, DstPort: 5555, SYN: true}, nil)
	packets := make([][]byte, maxOpen+100)
	for i := range packets {
		packets[i] = slices.Clone(syn)
		binary.BigEndian.PutUint32(packets[i][12:], uint32(i)) // the source
	}
	_, sum, err := decode(t, w.capture(t, packets), nil)
	ztest.Must(t, err)
	if sum.Ignored == 0 || sum.Ignored > 100 || sum.Connections+sum.Other+sum.Middle != 0 {
		t.Errorf("%+v", sum)
	}
}
