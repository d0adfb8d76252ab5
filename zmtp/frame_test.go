package zmtp

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zcurve/zcurve/internal/ztest"
)

// readFrames returns all frames of a stream, and the error at its end.
func readFrames(src io.Reader, limit int) (frames [][]byte, flags []byte, err error) {
	fr := newFrameReader(src)
	for {
		f, body, err := fr.next(limit)
		if err != nil {
			return frames, flags, err
		}
		frames = append(frames, bytes.Clone(body))
		flags = append(flags, f)
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 254, 255, 256, 257, idleBuffer - 2, idleBuffer - 1, minBuffer - longHeader, readSize - longHeader - 1, readSize - longHeader, readSize - longHeader + 1, readSize, 100_000} {
		body := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
		var stream []byte
		for _, flags := range []byte{flagMore, flagCommand, 0} {
			stream = append(appendFrameHeader(stream, flags, size), body...)
		}
		for name, src := range map[string]io.Reader{
			"whole":       bytes.NewReader(stream),
			"byte by one": iotest.OneByteReader(bytes.NewReader(stream)),
			"halves":      iotest.HalfReader(bytes.NewReader(stream)),
			"error with":  iotest.DataErrReader(bytes.NewReader(stream)),
		} {
			frames, flags, err := readFrames(src, size)
			if err != io.EOF || len(frames) != 3 || flags[0]&^flagLong != flagMore || flags[1]&^flagLong != flagCommand || flags[2]&^flagLong != 0 {
				t.Errorf("size %d, %s: %d frames, flags %v, %v", size, name, len(frames), flags, err)
			}
			for _, f := range frames {
				if !bytes.Equal(f, body) {
					t.Errorf("size %d, %s: another body", size, name)
				}
			}
		}
		if size == 0 {
			continue
		}
		if _, _, err := readFrames(bytes.NewReader(stream), size-1); !errors.Is(err, errMessageSize) {
			t.Errorf("size %d over the limit: %v", size, err)
		}
		for _, cut := range []int{1, 2, size / 2, size - 1} {
			if cut == 0 || cut > size {
				continue
			}
			if _, _, err := readFrames(bytes.NewReader(stream[:len(stream)-cut]), size); err != io.ErrUnexpectedEOF {
				t.Errorf("size %d cut by %d: %v", size, cut, err)
			}
		}
	}
}

func TestFrameReaderWithoutProgress(t *testing.T) {
	t.Parallel()
	silent := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, _, err := newFrameReader(silent).next(1); err != io.ErrNoProgress {
		t.Errorf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestFrameReaderAllocs checks that frames that fit the buffer cost no allocation.
func TestFrameReaderAllocs(t *testing.T) {
	ztest.Unraced(t)
	stream := bytes.NewReader(append([]byte{0, 200}, make([]byte, 200)...))
	fr := newFrameReader(stream)
	if n := testing.AllocsPerRun(1000, func() {
		stream.Seek(0, io.SeekStart)
		if _, _, err := fr.next(200); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

// FuzzFrames checks that the same frames and the same error come out however a stream
// is split, and that they read the same when they are written again.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 3, 'a', 'b', 'c'}, uint16(1))
	f.Add([]byte{1, 1, 'a', 0, 0}, uint16(100))
	f.Add([]byte{4, 5, 4, 'P', 'I', 'N', 'G'}, uint16(3))
	f.Add([]byte{2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint16(9))
	f.Add([]byte{3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint16(9))
	f.Add([]byte{8, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint16) {
		const limit = 1 << 20
		whole, flags, err := readFrames(bytes.NewReader(stream), limit)
		rest := stream
		split, splitFlags, splitErr := readFrames(readerFunc(func(p []byte) (int, error) {
			if len(rest) == 0 {
				return 0, io.EOF
			}
			n := copy(p, rest[:min(len(rest), int(chunk)+1)])
			rest = rest[n:]
			return n, nil
		}), limit)
		if !bytes.Equal(flags, splitFlags) || err.Error() != splitErr.Error() {
			t.Fatalf("in one piece: %v, %v; in pieces of %d: %v, %v", flags, err, int(chunk)+1, splitFlags, splitErr)
		}
		var again []byte
		for i, body := range whole {
			if !bytes.Equal(body, split[i]) {
				t.Fatalf("frame %d is another in pieces", i)
			}
			again = append(appendFrameHeader(again, flags[i]&^flagLong, len(body)), body...)
		}
		if reread, _, err := readFrames(bytes.NewReader(again), limit); err != io.EOF || len(reread) != len(whole) {
			t.Fatalf("written again: %d frames of %d, %v", len(reread), len(whole), err)
		}
	})
}

// FuzzGreeting checks that an accepted greeting parses to what was written, and that a
// refused one was refused at its first bytes or is too short.
func FuzzGreeting(f *testing.F) {
	f.Add(appendGreeting(nil, "CURVE", true))
	f.Add(appendGreeting(nil, "NULL", false))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05"))
	f.Add(append(appendGreeting(nil, strings.Repeat("X", 20), false)[:32], bytes.Repeat([]byte{0xff}, 32)...))
	f.Fuzz(func(t *testing.T, octets []byte) {
		g, err := parseGreeting(octets)
		if err != nil {
			if !errors.Is(err, errNotZMTP) && !errors.Is(err, errVersion) {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		for n := range octets {
			if err := checkSignature(octets[:n]); err != nil {
				t.Fatalf("accepted whole, refused after %d bytes: %v", n, err)
			}
		}
		again, err := parseGreeting(appendGreeting(nil, g.mechanism, g.asServer))
		if err != nil || again.mechanism != g.mechanism || again.asServer != g.asServer {
			t.Fatalf("%+v written again is %+v, %v", g, again, err)
		}
	})
}

// TestIdleBuffer checks that a reader that holds nothing gives its buffer back, and
// one that holds a part of a frame does not.
func TestIdleBuffer(t *testing.T) {
	t.Parallel()
	frame := append(appendFrameHeader(nil, 0, 1000), make([]byte, 1000)...)
	chunks := [][]byte{bytes.Repeat(frame, 100), frame[:600], frame[600:]}
	var fr *frameReader
	waits := 0
	fr = newFrameReader(readerFunc(func(p []byte) (int, error) {
		if len(chunks) == 0 {
			if fr.buf != &fr.idle {
				t.Error("waits for nothing with a buffer from the pool")
			}
			return 0, io.EOF
		}
		if waits == 0 && len(p) != idleBuffer {
			t.Errorf("began with room for %d bytes", len(p))
		}
		waits++
		n := copy(p, chunks[0])
		if chunks[0] = chunks[0][n:]; len(chunks[0]) == 0 {
			chunks = chunks[1:]
		}
		return n, nil
	}))
	for n := 0; ; n++ {
		_, body, err := fr.next(1000)
		if err != nil {
			if err != io.EOF || n != 101 {
				t.Errorf("%d frames, then %v", n, err)
			}
			return
		}
		if len(body) != 1000 {
			t.Fatalf("frame %d has %d bytes", n, len(body))
		}
	}
}

// TestIdleViews checks that a connection does not keep the slices for many small
// messages while nothing arrives.
func TestIdleViews(t *testing.T) {
	t.Parallel()
	waiting := false
	var c *Conn
	fr := newFrameReader(readerFunc(func(p []byte) (int, error) {
		if waiting {
			if idle := &c.rx.frames.idle; cap(idle.batch)+cap(idle.parts) > 2*keptParts {
				t.Errorf("waits for nothing with room for %d messages and %d parts", cap(idle.batch), cap(idle.parts))
			}
			return 0, io.EOF
		}
		waiting = true
		return copy(p, make([]byte, idleBuffer-2)), nil // messages of no bytes
	}))
	a, b := net.Pipe()
	defer b.Close()
	c = startConn(&handshake{nc: a, cfg: &Config{SocketType: "DEALER", MaxParts: 1}, in: fr})
	defer c.CloseNow()
	if batch, err := c.RecvBatch(t.Context()); err != nil || len(batch) != idleBuffer/2-1 {
		t.Fatal(len(batch), err)
	}
	if _, err := c.RecvBatch(t.Context()); err != io.EOF {
		t.Error(err)
	}
}

// TestLentBuffer checks that memory that RecvBatch has lent out never serves another
// connection, even if it is kept for too long.
func TestLentBuffer(t *testing.T) {
	t.Parallel()
	frame := append(appendFrameHeader(nil, 0, 1000), make([]byte, 1000)...)
	lent := map[*buffer]bool{}
	for range 3 {
		fr := newFrameReader(bytes.NewReader(bytes.Repeat(frame, 50)))
		var own *buffer
		for {
			_, _, err := fr.next(1000)
			if err == io.EOF {
				break
			}
			ztest.Must(t, err)
			if fr.buf != &fr.idle && fr.buf != own {
				if own = fr.buf; lent[own] {
					t.Fatal("a buffer that was handed out serves another reader")
				}
				own.lent = true
				lent[own] = true
			}
		}
		if fr.buf != &fr.idle {
			t.Error("the buffer isn't given up")
		}
	}
	if len(lent) < 3 {
		t.Errorf("%d buffers: the test proves nothing", len(lent))
	}
}

// TestBufferSizes checks that a buffer is as large as requested, and above 1 MiB not
// much larger.
func TestBufferSizes(t *testing.T) {
	t.Parallel()
	most, _ := sizeClass(math.MaxInt32/2 + 100)
	if most >= len(buffers) {
		t.Fatalf("%d pools, and a class %d", len(buffers), most)
	}
	classes := map[int]int{}
	for shift := range 30 {
		for _, d := range []int{-100, -1, 0, 1, 100, 1 << shift / 3, 1 << shift / 8, 1<<shift/8 + 1} {
			n := 1<<shift + d
			if n < 0 {
				continue
			}
			class, size := sizeClass(n)
			if size < n || size > max(minBuffer, 2*n) || n > fineBuffer && size > n+n/fineSteps+1 {
				t.Errorf("%d bytes get %d", n, size)
			}
			if other, ok := classes[class]; ok && other != size {
				t.Errorf("class %d has buffers of %d and %d bytes", class, other, size)
			}
			classes[class] = size
			if again, exact := sizeClass(size); again != class || exact != size {
				t.Errorf("a buffer of %d bytes, class %d, goes to class %d", size, class, again)
			}
		}
	}
}
